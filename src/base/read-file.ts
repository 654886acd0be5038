import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { systemErrorCode } from "./errors.ts"

/** How often a file that is being written to is read again. */
const attempts = 5

export type ReadResult =
  | { readonly kind: "read"; readonly bytes: Buffer; readonly mode: number }
  /** With the system's own ENOENT or ENOTDIR. */
  | { readonly kind: "absent"; readonly error: unknown }
  /** Nothing was read of it. */
  | { readonly kind: "not-regular"; readonly isDirectory: boolean }
  | { readonly kind: "too-large" }
  /** Somebody writes to it all the time. */
  | { readonly kind: "changing" }

/**
 * Reads a regular file whole, never more than `maxBytes`, and again where it changes meanwhile. A FIFO or a device
 * holds nobody up: it is opened without waiting, and not read. Links are followed. Throws the system's own errors.
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

/** Whether group or others may read or write a file of this mode. Windows has no such bits. */
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
  // One byte more, to see that it ends where it should.
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
