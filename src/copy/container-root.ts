import { posix } from "node:path"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { openCurrent } from "../files/content.ts"
import {
  directoryFlags,
  inheritOwner,
  makeDirectory,
  targetError,
  type TargetDirectory,
} from "../files/target-directory.ts"
import { open, readdir, readlink, type FileHandle } from "../files/system-calls.ts"

/**
 * Walks to a file inside another process's root. The container owns that tree and may change it during the walk, so the
 * kernel never follows a link here: an absolute link would lead to the host's files. Each step is opened without
 * following links, relative to the previous step's descriptor; links are read and resolved in this file.
 */

/** The kernel's own limit (path_resolution(7)). */
const maxLinks = 40
/** The limit of directories below the root, because each holds an open descriptor. */
const maxDepth = 128

export interface WalkOptions {
  /** If given, missing directories are created. Called once before the first is created, with its parent directory. */
  readonly beforeCreate?: (below: FileHandle) => Promise<void>
}

/** Opens the parent directory of an absolute path; dot segments are refused. Throws `ERR_TARGET`. */
export async function openInRoot(
  root: FileHandle,
  path: string,
  options: WalkOptions = {},
): Promise<TargetDirectory & { readonly handle: FileHandle }> {
  if (!path.startsWith("/") || path.split("/").some((step) => step === "." || step === ".."))
    throw new PurserError(
      "ERR_TARGET",
      `cannot write ${quote(path)}: the path must be absolute and without dot segments`,
    )
  const handle = await walk(root, posix.dirname(path), options).catch((error: unknown) => {
    throw targetError(path, error)
  })
  return {
    directory: descriptorPath(handle),
    leaf: posix.basename(path),
    path,
    handle,
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/**
 * Reads a file as UTF-8. Returns null if it is missing, not a regular file, larger than `limitBytes`, or unreadable.
 */
export async function readInRoot(root: FileHandle, path: string, limitBytes: number): Promise<string | null> {
  try {
    await using target = await openInRoot(root, path)
    await using current = await openCurrent(target)
    if (current === null || current.stats.size > limitBytes) return null
    const bytes = Buffer.alloc(current.stats.size)
    const { bytesRead } = await current.handle.read(bytes, 0, bytes.length, 0)
    return bytes.toString("utf8", 0, bytesRead)
  } catch (error) {
    if (error instanceof PurserError || systemErrorCode(error) !== undefined) return null
    throw error
  }
}

/** Returns a path that reaches an open file through its descriptor, for system calls. */
export function descriptorPath(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`
}

async function walk(root: FileHandle, path: string, { beforeCreate }: WalkOptions): Promise<FileHandle> {
  /**
   * The open directories below the root, the deepest last. `..` returns to the previous one, even if it has been moved.
   */
  const held: FileHandle[] = []
  const todo = reversedSteps(path)
  let links = 0
  let mayCreate = beforeCreate
  try {
    for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
      if (step === "..") {
        await held.pop()?.close()
        continue
      }
      if (held.length >= maxDepth) throw tooManyError(path, "directories")
      const parent = held.at(-1) ?? root
      const next = `${descriptorPath(parent)}/${step}`
      const found = await openStep(next)
      if (typeof found === "string") {
        if (++links > maxLinks) throw tooManyError(path, "symbolic links")
        if (found.startsWith("/")) await closeAll(held.splice(0))
        todo.push(...reversedSteps(found))
      } else if (found === null) {
        if (beforeCreate === undefined) throw noEntryError(next)
        await mayCreate?.(parent)
        mayCreate = undefined
        held.push(await create(next, parent))
      } else held.push(found)
    }
    // The root is opened again, so that the caller may close the result.
    return held.pop() ?? (await open(`${descriptorPath(root)}/.`, directoryFlags))
  } finally {
    await closeAll(held)
  }
}

/** Opens a directory. Returns the target text for a symbolic link, and null for a missing path. */
async function openStep(path: string): Promise<FileHandle | string | null> {
  try {
    return await open(path, directoryFlags)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === "ENOENT") return null
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error
    return await readlink(path).catch((notLink: unknown) => {
      // EINVAL: the path is not a symbolic link, or is no longer one.
      throw systemErrorCode(notLink) === "EINVAL" ? error : notLink
    })
  }
}

async function create(path: string, parent: FileHandle): Promise<FileHandle> {
  const made = await makeDirectory(path)
  const handle = await open(path, directoryFlags)
  try {
    if (made) await inheritOwner(handle, parent)
    if (made) await makeReadable(handle)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/**
 * Sets mode 0755, because our umask does not apply in the container. Only an empty directory is changed, because the
 * container could have put another directory in its target.
 */
async function makeReadable(made: FileHandle): Promise<void> {
  if (((await made.stat()).mode & 0o777) === 0o755) return
  if ((await readdir(descriptorPath(made))).length === 0) await made.chmod(0o755)
}

/** Returns a path's segments in reverse order. */
function reversedSteps(path: string): string[] {
  return path
    .split("/")
    .filter((step) => step !== "" && step !== ".")
    .reverse()
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  for (const handle of handles) await handle.close()
}

function noEntryError(path: string): Error {
  return Object.assign(new Error(`no such file or directory: ${path}`), { code: "ENOENT" })
}

function tooManyError(path: string, what: string): PurserError {
  return new PurserError("ERR_TARGET", `cannot write below ${path}: the path has too many ${what}`, {
    hint: "give the path without symbolic links",
  })
}
