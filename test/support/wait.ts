import { setTimeout as delay } from "node:timers/promises"
import { situation, waitingFor } from "./situation.ts"

interface Patience {
  readonly timeoutMs?: number
  readonly everyMs?: number
}

/**
 * Asks again until `probe` gives something truthy. For what has no event to wait for (another process's files).
 * Fails after `timeoutMs`, with what the test has started and what that said last.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  patience: Patience = {},
): Promise<NonNullable<T>> {
  return await waitingFor(what, askAgain(what, probe, patience))
}

async function askAgain<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 20_000, everyMs = 20 }: Patience,
): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}\n${await situation()}`)
    await delay(everyMs)
  }
}
