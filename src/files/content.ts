import { constants, type Stats } from "node:fs"
import { join } from "node:path"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import type { TargetDirectory } from "./target-directory.ts"
import { lstat, open, type FileHandle } from "./system-calls.ts"

/** Opens and reads what is at a path now, without following a link and without waiting for a FIFO's other end. */

/** O_PATH, which Node has no name for (open(2)). */
export const pathOnly = 0o10_000_000 | constants.O_NOFOLLOW

/** No secret is larger (the channel's hard limit), so that nobody makes us read without end. */
export const maxBytes = 16 * 1024 * 1024

export type FilePlace = Pick<TargetDirectory, "directory" | "leaf" | "path">

export interface Current extends AsyncDisposable {
  readonly handle: FileHandle
  readonly stats: Stats
}

/** Null when nothing is there, or it may not be read. Throws `ERR_TARGET` for what is no regular file. */
export async function openCurrent({ directory, leaf, path }: FilePlace): Promise<Current | null> {
  try {
    return await openRegular(join(directory, leaf), path, constants.O_RDONLY)
  } catch (error) {
    if (["ENOENT", "EACCES"].includes(systemErrorCode(error) ?? "")) return null
    throw error
  }
}

/**
 * A regular file, opened without following a link and without touching anything else: opening a FIFO waits, and
 * opening a device may do what it likes. Throws `ERR_TARGET` for those, and Node's system errors.
 */
export async function openRegular(file: string, path: string, flags: number): Promise<Current> {
  // First only its name, so that what is opened is the very file whose type was looked at.
  const named = process.platform === "linux" ? await open(file, pathOnly) : null
  try {
    const before = await (named?.stat() ?? lstat(file))
    if (!before.isFile()) throw notAFile(path, before)
    // Windows has neither flag, and undefined adds nothing.
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

/** Null for more than a secret's size. */
export async function readAll({ handle, stats }: Current): Promise<Buffer | null> {
  if (stats.size > maxBytes) return null
  const bytes = Buffer.alloc(stats.size)
  let length = 0
  for (let read = -1; read !== 0 && length < bytes.length; length += read)
    read = (await handle.read(bytes, length, bytes.length - length, length)).bytesRead
  return bytes.subarray(0, length)
}

export async function holds(current: Current, content: Secret): Promise<boolean> {
  if (current.stats.size !== content.sizeBytes) return false
  return (await readAll(current))?.equals(content.reveal()) === true
}

/** Reads back what was written, by a descriptor of its own. Throws `ERR_TARGET` when it is not the content. */
export async function verifyContent(file: string, path: string, content: Secret): Promise<void> {
  await using current = await openRegular(file, path, constants.O_RDONLY)
  if (await holds(current, content)) return
  throw new PurserError("ERR_TARGET", `cannot write ${path}: what was read back is not what was written`, {
    hint: "the disk or its file system is damaged, or somebody else writes there",
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
