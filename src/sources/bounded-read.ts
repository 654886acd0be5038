import { PurserError, reasonOf } from "../base/errors.ts"
import { readRegularFile, type ReadResult } from "../base/read-file.ts"

/**
 * Reads a regular file of at most `maxBytes`. Returns null if it does not exist. Throws `ERR_SOURCE` and
 * `ERR_SECRET_TOO_LARGE`.
 */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer | null> {
  let result: ReadResult
  try {
    result = await readRegularFile(path, maxBytes)
  } catch (error) {
    throw new PurserError("ERR_SOURCE", `cannot read ${path}: ${reasonOf(error)}`, { cause: error })
  }
  switch (result.kind) {
    case "read":
      return result.bytes
    case "absent":
      return null
    case "too-large":
      throw tooLarge(path, maxBytes)
    case "not-regular":
      throw new PurserError("ERR_SOURCE", `${path} is not a regular file`, {
        hint: result.isDirectory ? 'for a whole directory write "NAME/*": { dir: … }' : undefined,
      })
    case "changing":
      throw new PurserError("ERR_SOURCE", `${path} keeps changing while it is read`, {
        hint: "write it under another name and rename it into place",
      })
  }
}

export function tooLarge(what: string, maxBytes: number): PurserError {
  return new PurserError("ERR_SECRET_TOO_LARGE", `${what} has more than ${maxBytes} bytes`, {
    hint: "raise limits.secret_bytes (at most 16 MiB), or deliver a smaller secret",
  })
}
