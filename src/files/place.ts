import { constants } from "node:fs"
import { lstat, mkdir, open, realpath, type FileHandle } from "node:fs/promises"
import { basename, dirname, isAbsolute, join, relative, sep } from "node:path"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { pathOf, type FileLine } from "./file-line.ts"

/**
 * The directory that a file goes into, held open. Whoever uses the files may
 * own the directories below the base and race us with symlinks, so on Linux each
 * step of the way is opened without following, and what is done there is done
 * through `/proc/self/fd/N`. Links on the way to the base itself are the
 * operator's own (`/var/run`), and followed once.
 */
export interface Place extends AsyncDisposable {
  /** For system calls: the directory, however it is reached. */
  readonly directory: string
  readonly leaf: string
  /** For people. */
  readonly path: string
  /** For `fstat`, `fsync` and `statfs`. */
  readonly handle: FileHandle | undefined
}

const throughDescriptors = process.platform === "linux"
const directoryFlags = throughDescriptors
  ? constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  : 0

/** Null when the directory is not there and `create` is false. Throws `ERR_TARGET`. */
export async function openPlace(
  line: FileLine,
  base: string,
  { create }: { create: boolean },
): Promise<Place | null> {
  const path = pathOf(line, base)
  const inside = relative(base, path)
  const isBelow = inside !== "" && !inside.startsWith("..") && !isAbsolute(inside)
  const root = isBelow ? base : dirname(path)
  const steps = isBelow
    ? dirname(inside)
        .split(sep)
        .filter((part) => part !== "." && part !== "")
    : []
  try {
    if (create) await mkdir(root, { recursive: true, mode: 0o755 })
    return { ...(await walk(await realpath(root), steps, create)), leaf: basename(path), path }
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === "ENOENT" && !create) return null
    throw targetError(path, error)
  }
}

async function walk(
  root: string,
  steps: readonly string[],
  create: boolean,
): Promise<Pick<Place, "directory" | "handle" | typeof Symbol.asyncDispose>> {
  if (!throughDescriptors) {
    let directory = root
    for (const step of steps) directory = await enter(join(directory, step), create)
    return { directory, handle: undefined, async [Symbol.asyncDispose]() {} }
  }
  let handle = await open(root, directoryFlags)
  try {
    for (const step of steps) {
      const next = `/proc/self/fd/${handle.fd}/${step}`
      if (create) await makeDirectory(next)
      const inner = await open(next, directoryFlags)
      await handle.close()
      handle = inner
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

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 })
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") throw error
  }
}

const explanations: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ELOOP: ["a directory on the way is a symbolic link", "write to where it leads by path=, or remove it"],
  ENOTDIR: ["something on the way is not a directory", "remove it, or choose another path="],
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

/** Any failure on the way to a file, by the path that people know. */
export function targetError(path: string, error: unknown): PurserError {
  if (error instanceof PurserError) return error
  const [what, hint] = explanations[systemErrorCode(error) ?? ""] ?? [reasonOf(error), undefined]
  return new PurserError("ERR_TARGET", `cannot write ${path}: ${what}`, { hint, cause: error })
}
