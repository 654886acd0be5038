import assert from "node:assert/strict"
import type { TestContext } from "node:test"
import { createIdentity } from "../../src/channel/identity.ts"
import type { NodeSighting } from "../../src/state/nodes.ts"
import { openState, type State } from "../../src/state/state.ts"
import { tempDir } from "../support/temp.ts"

export const second = 1000
export const hour = 3_600_000
export const begin = Date.UTC(2026, 0, 1)

/** A state with a clock that the test sets. */
export interface Place {
  readonly dir: string
  readonly state: State
  readonly clock: { now: number }
  /** Opens the state again, as another process does. */
  readonly again: () => State
}

export async function place(t: TestContext): Promise<Place> {
  const dir = await tempDir(t)
  const clock = { now: begin }
  const open = (): State => {
    const state = openState(dir, { now: () => clock.now })
    t.after(() => state[Symbol.dispose]())
    return state
  }
  return { dir, clock, state: open(), again: open }
}

export const pinA = createIdentity().pin
export const pinB = createIdentity().pin

export function sighting(address: string, settings: Partial<NodeSighting> = {}): NodeSighting {
  return { app: "web", address, pin: pinA, name: "node-1", state: "ok", error: null, ...settings }
}

export function same(actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  const hex = (all: readonly Uint8Array[]): string[] => all.map((one) => Buffer.from(one).toString("hex"))
  assert.deepEqual(hex(actual), hex(expected))
}
