import { PurserError } from "../base/errors.ts"
import type { Owner } from "../files/owner.ts"

/** Compares a file as read back in the container with the expected one. */

export interface FileStat extends Owner {
  /**
   * Whether the file holds the expected content; null if the reader may not read it. Unless true, the other fields may
   * be NaN.
   */
  readonly same: boolean | null
  /** Permission bits, including setuid, setgid and sticky (0o7777). */
  readonly mode: number
}

export interface Expected {
  readonly mode: number
  readonly owner: Owner
}

/** Returns what differs, or null if the file is as expected. `found` is null for a path without a regular file. */
export function mismatch(found: FileStat | null, { mode, owner }: Expected): string | null {
  if (found === null) return "is not there"
  if (found.same === null) return "cannot be read by its owner"
  if (!found.same) return "has other content"
  if (found.mode !== mode) return "has another mode"
  return found.uid === owner.uid && found.gid === owner.gid ? null : "has another owner"
}

/** Throws `ERR_NOT_VERIFIED` unless the file is as expected. */
export function verifyFound(path: string, found: FileStat | null, expected: Expected): void {
  const wrong = mismatch(found, expected)
  if (wrong === null) return
  throw new PurserError("ERR_NOT_VERIFIED", `read back in the container, ${path} ${wrong}`, {
    hint: "a process in the container changes files there, or another mount hides them",
  })
}
