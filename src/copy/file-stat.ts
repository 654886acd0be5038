import { PurserError } from "../base/errors.ts"
import type { Owner } from "../files/owner.ts"

/** A file as it was read back in the container, and whether it is the expected one. */

export interface FileStat extends Owner {
  /** Whether it holds the content that was asked about, null where who looked may not read it. When not true, the rest may be NaN. */
  readonly same: boolean | null
  /** With those bits above 0o777. */
  readonly mode: number
}

export interface Expected {
  readonly mode: number
  readonly owner: Owner
}

/** Null when everything fits. `found` is null for what is no file. */
export function mismatch(found: FileStat | null, { mode, owner }: Expected): string | null {
  if (found === null) return "is not there"
  if (found.same === null) return "cannot be read by its owner"
  if (!found.same) return "has other content"
  if (found.mode !== mode) return "has another mode"
  return found.uid === owner.uid && found.gid === owner.gid ? null : "has another owner"
}

/** Throws `ERR_NOT_VERIFIED`. */
export function verifyFound(path: string, found: FileStat | null, expected: Expected): void {
  const wrong = mismatch(found, expected)
  if (wrong === null) return
  throw new PurserError("ERR_NOT_VERIFIED", `read back in the container, ${path} ${wrong}`, {
    hint: "something in the container changes files there, or another mount hides them",
  })
}
