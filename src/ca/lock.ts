import { join } from "node:path"
import { isPurserError } from "../base/errors.ts"
import { acquireLock, waitForLock } from "../base/lock.ts"
import { makeCaDirectory } from "./files.ts"

const what = "the CA"

/** Held for a change of what is in `ca/`; waits for its turn. Throws `ERR_LOCKED` when it does not come. */
export async function lockCa(directory: string, signal: AbortSignal): Promise<Disposable> {
  await makeCaDirectory(directory)
  return await waitForLock(fileIn(directory), what, signal)
}

/** Null while another has it. */
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
