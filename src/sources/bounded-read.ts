import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

const attempts = 5

/**
 * A regular file's bytes, never more than `maxBytes`; null when there is none. A file that is written to
 * while we read is read again. Throws `ERR_SOURCE` and `ERR_SECRET_TOO_LARGE`.
 */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer | null> {
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const bytes = await readOnce(path, maxBytes)
      if (bytes !== "changed") return bytes
    }
  } catch (error) {
    if (isPurserError(error)) throw error
    const code = systemErrorCode(error)
    if (code === "ENOENT" || code === "ENOTDIR") return null
    throw new PurserError("ERR_SOURCE", `cannot read ${path}: ${reasonOf(error)}`, { cause: error })
  }
  throw new PurserError("ERR_SOURCE", `${path} changes all the time`, {
    hint: "write it under another name and rename it into place",
  })
}

export function tooLarge(what: string, maxBytes: number): PurserError {
  return new PurserError("ERR_SECRET_TOO_LARGE", `${what} has more than ${maxBytes} bytes`, {
    hint: "raise limits.secret_bytes (16 MiB at most), or deliver something smaller",
  })
}

async function readOnce(path: string, maxBytes: number): Promise<Buffer | "changed"> {
  // Opening a FIFO would otherwise wait for its writer.
  await using handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  const before = await handle.stat({ bigint: true })
  if (!before.isFile()) {
    throw new PurserError("ERR_SOURCE", `${path} is not a regular file`, {
      hint: before.isDirectory() ? 'for a whole directory write "NAME/*": { dir: … }' : undefined,
    })
  }
  if (before.size > BigInt(maxBytes)) throw tooLarge(path, maxBytes)
  const size = Number(before.size)
  // One more, to see that it ends where it should.
  const bytes = Buffer.alloc(size + 1)
  let length = 0
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  const after = await handle.stat({ bigint: true })
  return length === size && after.size === before.size && after.mtimeNs === before.mtimeNs
    ? bytes.subarray(0, size)
    : "changed"
}
