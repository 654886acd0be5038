import { setTimeout as delay } from "node:timers/promises"

/** Asks again until `probe` gives something truthy; fails after `timeoutMs`. For what has no event to wait for (another process's files). */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 20_000, everyMs = 20 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await delay(everyMs)
  }
}
