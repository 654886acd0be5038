import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { isPurserError } from "../../base/errors.ts"
import { acquireLock } from "../../base/lock.ts"

/** How long a writer waits for another. */
const lockMs = 15_000

/** Every writer holds it, so that none works with a key that another is replacing. Throws `ERR_LOCKED`. */
export async function lockStore(stateDir: string, signal: AbortSignal): Promise<Disposable> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const end = performance.now() + lockMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return acquireLock(join(stateDir, "store.lock"), "the store of secrets")
    } catch (error) {
      if (!isPurserError(error, "ERR_LOCKED") || performance.now() > end) throw error
    }
    await delay(20 + Math.random() * 30, undefined, { signal })
  }
}
