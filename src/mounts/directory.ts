import { randomBytes } from "node:crypto"
import { chmod, chown, lstat, mkdir, readdir, rm, writeFile } from "node:fs/promises"
import { dirname, join, posix } from "node:path"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { acquireLock } from "../base/lock.ts"
import type { Secret } from "../base/secret.ts"
import { isMemory } from "../files/memory.ts"
import type { Owner } from "../files/owner.ts"

/** The parent directories on the host, readable by root only. The second is for hosts whose /run is on a disk. */
export const roots = ["/run/purser", "/dev/shm/purser"] as const
/** The directory on the host that is mounted as `/run/secrets`. */
const mounted = "secrets"
const directoryInContainer = "/run/secrets"

export interface SecretToMount {
  /** The absolute path in the container. */
  readonly path: string
  readonly content: Secret
}

export interface Mount {
  /** The path on the host. */
  readonly source: string
  /** The path in the container. */
  readonly target: string
}

/**
 * The secrets of one container, in a directory of the host's memory. A lock that is released when its process ends
 * distinguishes the directory of a running process from one that `kill -9` left behind.
 */
export interface SecretDirectory extends AsyncDisposable {
  readonly id: string
  /** The container's label, `KEY=VALUE`, which shows that a running container still needs the directory. */
  readonly label: string
  readonly mounts: readonly Mount[]
  /** Writes the secrets, readable by this user of the container and writable by none. */
  fill(owner: Owner): Promise<void>
  /** Keeps the directory on disposal, because its container still runs. A later process removes it. */
  keep(): void
}

/**
 * Makes the directory and its empty files, so that the mounts can be tested before a secret is in them.
 * Throws `ERR_DISK` when it would not be in memory, and `ERR_TARGET`.
 */
export async function createSecretDirectory(
  secrets: readonly SecretToMount[],
  candidates: readonly string[] = roots,
): Promise<SecretDirectory> {
  const root = await firstInMemory(candidates)
  const id = randomBytes(16).toString("hex")
  const directory = join(root, id)
  const files = secrets.map(({ path, content }, index) => ({
    content,
    path,
    // /run/secrets is mounted as a directory. Files elsewhere are mounted one by one, so that they hide no file of the image.
    file: isInDirectory(path)
      ? join(directory, mounted, posix.relative(directoryInContainer, path))
      : join(directory, `file-${index}`),
  }))
  let lock: Disposable | undefined
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    await checkRoot(root)
    // Locked before the directory exists, so that another process never takes it for an abandoned one.
    lock = acquireLock(lockOf(directory), directory)
    await mkdir(directory, { mode: 0o700 })
    for (const { file } of files) {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(file, "", { mode: 0o600, flag: "wx" })
    }
  } catch (error) {
    await removeAll(directory)
    lock?.[Symbol.dispose]()
    if (isPurserError(error)) throw error
    throw new PurserError("ERR_TARGET", `cannot make a directory in ${root}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  const held = lock
  let kept = false
  return {
    id,
    label: labelOf(id),
    mounts: [
      ...(files.some(({ path }) => isInDirectory(path))
        ? [{ source: join(directory, mounted), target: directoryInContainer }]
        : []),
      ...files
        .filter(({ path }) => !isInDirectory(path))
        .map(({ file, path }) => ({ source: file, target: path })),
    ],
    async fill({ uid, gid }) {
      for (const { file, content } of files) {
        await writeFile(file, content.reveal(), { flag: "r+" })
        await chmod(file, 0o400)
        await chown(file, uid, gid)
      }
      for (const inner of await directoriesBelow(directory)) {
        await chmod(inner, 0o500)
        await chown(inner, uid, gid)
      }
    },
    keep: () => void (kept = true),
    async [Symbol.asyncDispose]() {
      if (!kept) await removeAll(directory)
      held[Symbol.dispose]()
    },
  }
}

/** The label of the container that uses the directory of this id. */
export function labelOf(id: string): string {
  return `purser.run=${id}`
}

export function lockOf(directory: string): string {
  return `${directory}.lock`
}

export async function removeAll(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  // SQLite leaves its journal when the process is killed.
  for (const end of ["-journal", ".pid", ""]) await rm(`${lockOf(directory)}${end}`, { force: true })
}

function isInDirectory(path: string): boolean {
  return path.startsWith(`${directoryInContainer}/`)
}

async function firstInMemory(candidates: readonly string[]): Promise<string> {
  for (const root of candidates) if ((await isMemory(dirname(root))) || (await isMemory(root))) return root
  throw new PurserError("ERR_DISK", `${candidates.join(" and ")} would lie on a disk`, {
    hint: "mount a tmpfs there: mkdir -p /run/purser && mount -t tmpfs -o mode=0700 tmpfs /run/purser",
  })
}

async function checkRoot(root: string): Promise<void> {
  const stats = await lstat(root)
  if (stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o077) === 0) return
  throw new PurserError("ERR_TARGET", `${root} is not private to root`, {
    hint: "find out what made it, and remove it: it must belong to root with mode 0700",
  })
}

/** The directories below, the deepest last, so that each can still be entered when it is changed. */
async function directoriesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name))
}
