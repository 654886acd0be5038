import { constants } from "node:fs"
import { basename, dirname, isAbsolute, join, relative, sep } from "node:path"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { makeDirectories } from "../base/make-directories.ts"
import { targetPath, type LinePath } from "./file-line.ts"
import { lstat, mkdir, open, readdir, realpath, type FileHandle } from "./system-calls.ts"

/**
 * The directory that a file goes into, held open. The application may own the
 * directories below the base and replace them by symbolic links at any time, so
 * on Linux each directory of the path is opened without following links, and
 * used through `/proc/self/fd/N`. Links above the base are the operator's own
 * (`/var/run`), and followed once. The base itself may not be a link, because
 * the application may own the directory that it is in.
 */
export interface TargetDirectory extends AsyncDisposable {
  /** The directory's path for system calls: on Linux `/proc/self/fd/N`. */
  readonly directory: string
  /** The file's name in the directory. */
  readonly leaf: string
  /** The file's path for messages. */
  readonly path: string
  /** The open directory, for `fstat` and `fsync`; undefined on systems other than Linux. */
  readonly handle: FileHandle | undefined
}

const throughDescriptors = process.platform === "linux"
export const directoryFlags = throughDescriptors
  ? constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  : 0

/** Opens the directory of a line. Null when it is absent and `create` is false. Throws `ERR_TARGET`. */
export async function openTargetDirectory(
  line: LinePath,
  base: string,
  { create }: { create: boolean },
): Promise<TargetDirectory | null> {
  const path = targetPath(line, base)
  const below = isBelow(path, base)
  const root = below ? base : dirname(path)
  const steps = below
    ? dirname(relative(base, path))
        .split(sep)
        .filter((part) => part !== "." && part !== "")
    : []
  try {
    if (create) await makeDirectories(root, 0o755)
    return { ...(await walk(await resolveAbove(root), steps, create)), leaf: basename(path), path }
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === "ENOENT" && !create) return null
    throw targetError(path, error)
  }
}

export function isBelow(path: string, base: string): boolean {
  const inside = relative(base, path)
  return inside !== "" && !isAbsolute(inside) && !/^\.\.(?:[/\\]|$)/.test(inside)
}

/** Opens a directory. Null when it is absent, unreadable, or not a directory, such as a link to one. */
export async function openDirectory(
  path: string,
): Promise<(Pick<TargetDirectory, "directory"> & AsyncDisposable) | null> {
  try {
    return await walk(path, [], false)
  } catch (error) {
    if (systemErrorCode(error) !== undefined) return null
    throw error
  }
}

/** The path with links resolved, except in its last segment. Throws Node's system errors. */
export async function resolveAbove(path: string): Promise<string> {
  return join(await realpath(dirname(path)), basename(path))
}

async function walk(
  root: string,
  steps: readonly string[],
  create: boolean,
): Promise<Pick<TargetDirectory, "directory" | "handle" | typeof Symbol.asyncDispose>> {
  if (!throughDescriptors) {
    let directory = await enter(root, false)
    for (const step of steps) directory = await enter(join(directory, step), create)
    return { directory, handle: undefined, async [Symbol.asyncDispose]() {} }
  }
  let handle = await open(root, directoryFlags)
  try {
    for (const step of steps) {
      const next = `/proc/self/fd/${handle.fd}/${step}`
      const made = create && (await makeDirectory(next))
      const inner = await open(next, directoryFlags)
      const outer = handle
      handle = inner
      try {
        if (made) await inheritOwner(inner, outer)
      } finally {
        await outer.close()
      }
    }
  } catch (error) {
    await handle.close()
    throw error
  }
  return { directory: `/proc/self/fd/${handle.fd}`, handle, [Symbol.asyncDispose]: () => handle.close() }
}

async function enter(directory: string, create: boolean): Promise<string> {
  if (create) await makeDirectory(directory)
  if ((await lstat(directory)).isDirectory()) return directory
  throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" })
}

/**
 * Gives a directory that we made the owner of its parent; otherwise files that get their directory's owner would belong
 * to root. Skips a directory that is not empty, because another process may have put it in place of ours.
 */
export async function inheritOwner(made: FileHandle, parent: FileHandle): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await parent.stat()
  if (uid === 0 && gid === 0) return
  if ((await readdir(`/proc/self/fd/${made.fd}`)).length === 0) await made.chown(uid, gid)
}

/** Makes a directory. Resolves with false when it exists already. */
export async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o755 })
    return true
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") throw error
    return false
  }
}

const explanations: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EEXIST: ["part of the path is not a directory", "remove it, or choose another path"],
  ELOOP: ["a symbolic link is there", "remove it, or choose another path"],
  // Linux gives this code for a symbolic link too when O_DIRECTORY is set.
  ENOTDIR: [
    "part of the path is a symbolic link or not a directory",
    "remove it, or name the directory that it leads to",
  ],
  EISDIR: ["a directory is there", "remove it, or choose another path"],
  ENOSPC: ["no space is left there", "give the tmpfs a larger size"],
  EDQUOT: ["the quota is used up there", "raise it, or choose another directory"],
  EROFS: [
    "the file system is read-only",
    "mount a writable tmpfs there, for example tmpfs: /run/secrets in a Compose file",
  ],
  EACCES: [
    "permission is denied",
    "give the directory to the user that this process runs as (a tmpfs takes uid= and mode=)",
  ],
  EPERM: ["the operation is not permitted", "run as the owner of the file, or as root with CHOWN and FOWNER"],
  ENOENT: ["it is not there", "check the directory"],
}

/** The `ERR_TARGET` for a failure to write a file, with the path and a hint. Returns a `PurserError` as it is. */
export function targetError(path: string, error: unknown): PurserError {
  if (error instanceof PurserError) return error
  const [what, hint] = explanations[systemErrorCode(error) ?? ""] ?? [reasonOf(error), undefined]
  return new PurserError("ERR_TARGET", `cannot write ${path}: ${what}`, { hint, cause: error })
}
