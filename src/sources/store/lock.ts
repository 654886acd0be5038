import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { waitForLock } from "../../base/lock.ts"

/**
 * Takes the lock that every writer of the store holds, so that none uses a key that another is replacing. Throws
 * `ERR_LOCKED`.
 */
export async function lockStore(stateDir: string, signal: AbortSignal): Promise<Disposable> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  return await waitForLock(join(stateDir, "store.lock"), "the store of secrets", signal)
}
