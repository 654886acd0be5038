import { join } from "node:path"
import { isPurserError } from "../base/errors.ts"
import { acquireLock, waitForLock } from "../base/lock.ts"
import { makeCaDirectory } from "./files.ts"

const what = "the CA"

/** Waits for the lock of `ca/`, which every change holds. Throws `ERR_LOCKED` if another process keeps it. */
export async function lockCa(directory: string, signal: AbortSignal): Promise<Disposable> {
  await makeCaDirectory(directory)
  return await waitForLock(fileIn(directory), what, signal)
}

/** Null if another process holds the lock. */
export function tryLockCa(directory: string): Disposable | null {
  try {
    return acquireLock(fileIn(directory), what)
  } catch (error) {
    if (isPurserError(error, "ERR_LOCKED")) return null
    throw error
  }
}

function fileIn(directory: string): string {
  return join(directory, "ca.lock")
}
