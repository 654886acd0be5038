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
 * The way to a file inside another process's root. Whoever lives there owns the tree and may change it while we
 * walk, so the kernel never follows a link for us: an absolute one would lead to the host's files. Each step is
 * opened without following, below the descriptor of the one before; links are read and resolved here.
 */

/** As many as the kernel itself follows (path_resolution(7)). */
const maxLinks = 40
/** Each is a descriptor that we hold. */
const maxDepth = 128

export interface WalkOptions {
  /** If given, missing directories are made. Called before the first one is, with the directory that it will lie in. */
  readonly beforeCreate?: (below: FileHandle) => Promise<void>
}

/** The directory that an absolute path's file lies in; dot segments are refused. Throws `ERR_TARGET`. */
export async function openInRoot(
  root: FileHandle,
  path: string,
  options: WalkOptions = {},
): Promise<TargetDirectory & { readonly handle: FileHandle }> {
  if (!path.startsWith("/") || path.split("/").some((step) => step === "." || step === ".."))
    throw new PurserError(
      "ERR_TARGET",
      `cannot write ${quote(path)}: it is no absolute path without dot segments`,
    )
  const handle = await walk(root, posix.dirname(path), options).catch((error: unknown) => {
    throw targetError(path, error)
  })
  return {
    directory: through(handle),
    leaf: posix.basename(path),
    path,
    handle,
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/** Null for what is not there, is no regular file, or is larger. */
export async function readInRoot(root: FileHandle, path: string, limitBytes: number): Promise<string | null> {
  try {
    await using place = await openInRoot(root, path)
    await using current = await openCurrent(place)
    if (current === null || current.stats.size > limitBytes) return null
    const bytes = Buffer.alloc(current.stats.size)
    const { bytesRead } = await current.handle.read(bytes, 0, bytes.length, 0)
    return bytes.toString("utf8", 0, bytesRead)
  } catch (error) {
    if (error instanceof PurserError || systemErrorCode(error) !== undefined) return null
    throw error
  }
}

/** For system calls. */
export function through(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`
}

async function walk(root: FileHandle, path: string, { beforeCreate }: WalkOptions): Promise<FileHandle> {
  /** Below the root, the deepest last: `..` goes back to where we came from, wherever that has been moved to. */
  const held: FileHandle[] = []
  const todo = stepsOf(path)
  let links = 0
  let mayCreate = beforeCreate
  try {
    for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
      if (step === "..") {
        await held.pop()?.close()
        continue
      }
      if (held.length >= maxDepth) throw tooMany(path, "directories")
      const parent = held.at(-1) ?? root
      const next = `${through(parent)}/${step}`
      const found = await enter(next)
      if (typeof found === "string") {
        if (++links > maxLinks) throw tooMany(path, "symbolic links")
        if (found.startsWith("/")) await closeAll(held.splice(0))
        todo.push(...stepsOf(found))
      } else if (found === null) {
        if (beforeCreate === undefined) throw missing(next)
        await mayCreate?.(parent)
        mayCreate = undefined
        held.push(await create(next, parent))
      } else held.push(found)
    }
    // A descriptor of its own for the root too, so that whoever gets it may close it.
    return held.pop() ?? (await open(`${through(root)}/.`, directoryFlags))
  } finally {
    await closeAll(held)
  }
}

/** The directory; or what the link says that is there; or null when nothing is. */
async function enter(path: string): Promise<FileHandle | string | null> {
  try {
    return await open(path, directoryFlags)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === "ENOENT") return null
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error
    return await readlink(path).catch((notLink: unknown) => {
      // It was no link, or is none any more.
      throw systemErrorCode(notLink) === "EINVAL" ? error : notLink
    })
  }
}

async function create(path: string, parent: FileHandle): Promise<FileHandle> {
  const made = await makeDirectory(path)
  const handle = await open(path, directoryFlags)
  try {
    if (made) await inheritOwner(handle, parent)
    if (made) await openToAll(handle)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Our umask is not the container's. Only with nothing in it: somebody could have put another in its place. */
async function openToAll(made: FileHandle): Promise<void> {
  if (((await made.stat()).mode & 0o777) === 0o755) return
  if ((await readdir(through(made))).length === 0) await made.chmod(0o755)
}

/** The first one last. */
function stepsOf(path: string): string[] {
  return path
    .split("/")
    .filter((step) => step !== "" && step !== ".")
    .reverse()
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  for (const handle of handles) await handle.close()
}

function missing(path: string): Error {
  return Object.assign(new Error(`nothing is there: ${path}`), { code: "ENOENT" })
}

function tooMany(path: string, what: string): PurserError {
  return new PurserError("ERR_TARGET", `cannot write below ${path}: too many ${what} are on the way`, {
    hint: "name the directory itself",
  })
}
