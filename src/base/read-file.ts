import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { systemErrorCode } from "./errors.ts"

/** How often a file is read if it changes meanwhile. */
const attempts = 5

export type ReadResult =
  | { readonly kind: "read"; readonly bytes: Buffer; readonly mode: number }
  /** `error` is the system's ENOENT or ENOTDIR. */
  | { readonly kind: "absent"; readonly error: unknown }
  /** A directory, FIFO, socket or device, which was not read. */
  | { readonly kind: "not-regular"; readonly isDirectory: boolean }
  | { readonly kind: "too-large" }
  /** The file changed during every attempt. */
  | { readonly kind: "changing" }

/**
 * Reads a whole regular file of at most `maxBytes`, again if it changes meanwhile. A FIFO or a device is opened without
 * waiting and not read. Links are followed. Throws Node's system errors.
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<ReadResult> {
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const result = await readOnce(path, maxBytes)
      if (result.kind !== "changing") return result
    }
    return { kind: "changing" }
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "absent", error }
    throw error
  }
}

/**
 * Returns whether group or others have any permission by this mode. Always false on Windows, which has no such bits.
 */
export function isOpenToOthers(mode: number): boolean {
  return process.platform !== "win32" && (mode & 0o077) !== 0
}

async function readOnce(path: string, maxBytes: number): Promise<ReadResult> {
  // O_NONBLOCK, because opening a FIFO would otherwise wait for its writer.
  await using handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  const before = await handle.stat({ bigint: true })
  if (!before.isFile()) return { kind: "not-regular", isDirectory: before.isDirectory() }
  if (before.size > BigInt(maxBytes)) return { kind: "too-large" }
  const size = Number(before.size)
  // One byte more than the size shows whether the file ends there.
  const bytes = Buffer.alloc(size + 1)
  let length = 0
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  const after = await handle.stat({ bigint: true })
  const isWhole = length === size && after.size === before.size && after.mtimeNs === before.mtimeNs
  return isWhole
    ? { kind: "read", bytes: bytes.subarray(0, size), mode: Number(before.mode) }
    : { kind: "changing" }
}
