import assert from "node:assert/strict"
import type { TestContext } from "node:test"
import { PurserError } from "../../src/base/errors.ts"
import { Secret } from "../../src/base/secret.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { FailedSets } from "../../src/rollout/failed-sets.ts"
import { rollOut, type RolloutOptions } from "../../src/rollout/rollout.ts"
import type { RolloutFile, WrittenFiles } from "../../src/rollout/target.ts"
import { purserError } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { tlsFiles } from "../support/tls-files.ts"
import { memoryTarget, type MemoryTarget, type Step } from "./memory-target.ts"

/** A rollout in memory that fails, or is aborted, at one step. */

export type FaultStep = Step | "beforeChange" | "onWritten" | "onRolledBack"

/** The files in place afterwards: the old set, the new one, or the old one with the file that the new one added. */
type Content = "old" | "new" | "old and added"

export interface Outcome {
  readonly content: Content
  readonly reloads: number
  readonly isPending: boolean
}

export const unchanged: Outcome = { content: "old", reloads: 0, isPending: false }
export const injected = purserError("ERR_TARGET", /^injected$/)
export const stopped = /^Error: stopped$/

export interface FaultOptions {
  readonly error: RegExp | ((error: unknown) => boolean)
  readonly outcome: Outcome
  /** Whether the next attempt with the same set is refused. */
  readonly isRefused: boolean
  readonly aborts?: boolean
  /** The first reload fails, so that it comes to a roll-back. */
  readonly isRollBack?: boolean
  readonly isAway?: boolean
  readonly checks?: []
}

export async function faultAt(
  t: TestContext,
  at: FaultStep,
  old: "present" | "absent",
  { error, outcome, isRefused, aborts, isRollBack, isAway, checks }: FaultOptions,
): Promise<void> {
  const bench = await begin(t, old)
  if (bench === null) return
  const { target, stop } = bench
  target.isAwayNow = isAway === true
  const fault = (step: FaultStep): void => {
    // The service is asked whether it is away only after a failed reload.
    if ((isRollBack === true || at === "look whether it is away") && step === "reload")
      throw new PurserError("ERR_RELOAD", "not reloaded")
    if (step !== at) return
    if (aborts === true) stop.abort(new Error("stopped"))
    // A connection is only told of, and cannot fail so.
    if (step === "connect") return
    if (aborts === true && !step.startsWith("reload")) throw stop.signal.reason
    // Some targets report an abort as a failed reload.
    throw new PurserError(step.startsWith("reload") ? "ERR_RELOAD" : "ERR_TARGET", "injected")
  }
  target.fault = fault
  const options: Partial<RolloutOptions<WrittenFiles>> = {
    beforeChange: async () => fault("beforeChange"),
    onWritten: async () => (fault("onWritten"), true),
    onRolledBack: async () => fault("onRolledBack"),
    ...(checks === undefined ? {} : { checks }),
  }
  await assert.rejects(bench.rollOutTo(bench.fresh, options), error)
  bench.assertOutcome(outcome)
  const again = (): void => bench.failed.sets.throwIfFailed("web", bench.changing)
  if (isRefused) assert.throws(again, purserError("ERR_CHECK", /held back since/))
  else again()
}

export async function begin(t: TestContext, old: "present" | "absent") {
  if (!(await requireService(t, "openssl"))) return null
  const [was, is] = [await tlsFiles(t), await tlsFiles(t)]
  const setOf = (files: readonly RolloutFile[]) => new Map(files.map((file) => [file.path, file]))
  const before = setOf(
    old === "absent"
      ? []
      : [fileOf("tls.crt", was.certificate), fileOf("tls.key", was.key), fileOf("same", "same")],
  )
  const fresh = setOf([
    fileOf("tls.crt", is.certificate),
    fileOf("tls.key", is.key),
    fileOf("same", "same"),
    fileOf("added", "added"),
  ])
  const target = await memoryTarget(t, [...before.values()])
  const failed = { sets: new FailedSets(), target: "web" }
  const stop = new AbortController()
  return {
    target,
    before,
    fresh,
    failed,
    stop,
    changing: [...fresh.values()].filter(({ path }) => old === "absent" || path !== "same"),
    rollOutTo: (set: ReadonlyMap<string, RolloutFile>, options: Partial<RolloutOptions<WrittenFiles>> = {}) =>
      rollOut(target, [...set.values()], {
        checks: [parseCheck(`:${target.port} within=8s`)],
        failed,
        signal: stop.signal,
        ...options,
      }),
    assertOutcome({ content, reloads, isPending }: Outcome) {
      const expected = new Map(content === "new" ? fresh : before)
      if (content === "old and added") expected.set("added", fileOf("added", "added"))
      assert.deepEqual(contentsOf(target.files), contentsOf(expected))
      assert.deepEqual([target.reloads(), target.isPending()], [reloads, isPending])
    },
  }
}

export function failing(at: Step, error: Error): MemoryTarget["fault"] {
  return (step) => {
    if (step === at) throw error
  }
}

export function fileOf(name: string, content: string, mode = 0o400): RolloutFile {
  return { path: name, name, content: new Secret(content), mode }
}

function contentsOf(files: ReadonlyMap<string, RolloutFile>): Record<string, string> {
  return Object.fromEntries([...files].map(([name, { content }]) => [name, content.revealText()]))
}
