import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { isPurserError } from "../base/errors.ts"
import { acquireLock } from "../base/lock.ts"
import { makeCaDirectory } from "./files.ts"

const lockMs = 15_000

/** Held for a change of what is in `ca/`; waits for its turn. Throws `ERR_LOCKED` when it does not come. */
export async function lockCa(directory: string, signal: AbortSignal): Promise<Disposable> {
  await makeCaDirectory(directory)
  const end = performance.now() + lockMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return acquire(directory)
    } catch (error) {
      if (!isPurserError(error, "ERR_LOCKED") || performance.now() > end) throw error
    }
    await delay(10 + Math.random() * 20, undefined, { signal })
  }
}

/** Null while another has it. */
export function tryLockCa(directory: string): Disposable | null {
  try {
    return acquire(directory)
  } catch (error) {
    if (isPurserError(error, "ERR_LOCKED")) return null
    throw error
  }
}

function acquire(directory: string): Disposable {
  return acquireLock(join(directory, "ca.lock"), "the CA")
}
