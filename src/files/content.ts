import { constants, type Stats } from "node:fs"
import { join } from "node:path"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import type { TargetDirectory } from "./target-directory.ts"
import { lstat, open, type FileHandle } from "./system-calls.ts"

/** Opens and reads the file at a path, without following a link and without waiting for a FIFO's other end. */

/** O_PATH, for which Node has no constant, with O_NOFOLLOW (open(2)). */
export const pathOnly = 0o10_000_000 | constants.O_NOFOLLOW

/** The largest secret (the channel's hard limit). Larger files are not read. */
export const maxBytes = 16 * 1024 * 1024

export type FilePlace = Pick<TargetDirectory, "directory" | "leaf" | "path">

export interface Current extends AsyncDisposable {
  readonly handle: FileHandle
  readonly stats: Stats
}

/** Opens the file for reading. Null when it does not exist or may not be read. Throws `ERR_TARGET` when it is not a regular file. */
export async function openCurrent({ directory, leaf, path }: FilePlace): Promise<Current | null> {
  try {
    return await openRegular(join(directory, leaf), path, constants.O_RDONLY)
  } catch (error) {
    if (["ENOENT", "EACCES"].includes(systemErrorCode(error) ?? "")) return null
    throw error
  }
}

/**
 * Opens a regular file without following a link, and opens nothing else, because opening a FIFO waits and opening a
 * device may have effects. Throws `ERR_TARGET` for anything but a regular file, and Node's system errors.
 */
export async function openRegular(file: string, path: string, flags: number): Promise<Current> {
  // Opened by O_PATH first, so that the file that is opened for reading is the one whose type was checked.
  const named = process.platform === "linux" ? await open(file, pathOnly) : null
  try {
    const before = await (named?.stat() ?? lstat(file))
    if (!before.isFile()) throw notAFile(path, before)
    // Windows has neither flag, and `| undefined` adds nothing.
    const safely = flags | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const handle = await (named ? open(`/proc/self/fd/${named.fd}`, flags) : open(file, safely))
    const stats = await handle.stat()
    if (stats.isFile()) return { handle, stats, [Symbol.asyncDispose]: () => handle.close() }
    await handle.close()
    throw notAFile(path, stats)
  } finally {
    await named?.close()
  }
}

/** Reads the whole file. Null when it is larger than {@link maxBytes}. */
export async function readAll({ handle, stats }: Current): Promise<Buffer | null> {
  if (stats.size > maxBytes) return null
  const bytes = Buffer.alloc(stats.size)
  let length = 0
  for (let read = -1; read !== 0 && length < bytes.length; length += read)
    read = (await handle.read(bytes, length, bytes.length - length, length)).bytesRead
  return bytes.subarray(0, length)
}

/** Whether the file has exactly this content. */
export async function holds(current: Current, content: Secret): Promise<boolean> {
  if (current.stats.size !== content.sizeBytes) return false
  return (await readAll(current))?.equals(content.reveal()) === true
}

/** Reads a written file back through a new descriptor. Throws `ERR_TARGET` when it does not have the content. */
export async function verifyContent(file: string, path: string, content: Secret): Promise<void> {
  await using current = await openRegular(file, path, constants.O_RDONLY)
  if (await holds(current, content)) return
  throw new PurserError("ERR_TARGET", `cannot write ${path}: it reads back differently`, {
    hint: "the disk or its file system is damaged, or another process writes there",
  })
}

function notAFile(path: string, stats: Stats): PurserError {
  const kind = stats.isSymbolicLink()
    ? "a symbolic link"
    : stats.isDirectory()
      ? "a directory"
      : stats.isFIFO()
        ? "a FIFO"
        : stats.isSocket()
          ? "a socket"
          : "a device"
  return new PurserError("ERR_TARGET", `cannot write ${path}: ${kind} is there`, {
    hint: "remove it, or choose another path=",
  })
}
