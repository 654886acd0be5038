import { randomBytes } from "node:crypto"
import { chmod, chown, lstat, mkdir, readdir, rm, writeFile } from "node:fs/promises"
import { dirname, join, posix } from "node:path"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { acquireLock } from "../base/lock.ts"
import type { Secret } from "../base/secret.ts"
import { isMemory } from "../files/memory.ts"
import type { Owner } from "../files/owner.ts"

/** On the host; only root may look in. The second is for hosts whose /run lies on a disk. */
export const roots = ["/run/purser", "/dev/shm/purser"] as const
/** The name of the container's directory there. */
const mounted = "secrets"
const directoryInContainer = "/run/secrets"

export interface SecretToMount {
  /** Absolute, in the container. */
  readonly path: string
  readonly content: Secret
}

export interface Mount {
  /** On the host. */
  readonly source: string
  /** In the container. */
  readonly target: string
}

/**
 * The secrets of one container. A lock that ends with its holder tells the directory of a living process from one that
 * `kill -9` left behind.
 */
export interface SecretDirectory extends AsyncDisposable {
  readonly id: string
  /** `KEY=VALUE`, for the container: by it a running container is found to need the directory. */
  readonly label: string
  readonly mounts: readonly Mount[]
  /** Puts the secrets there, for this user of the container to read and nobody to write. */
  fill(owner: Owner): Promise<void>
  /** Leaves the directory there, because its container runs on: a later process removes it. */
  keep(): void
}

/**
 * Makes the directory and its empty files, so that the mounts can be tried before anything secret is in them.
 * Throws `ERR_DISK` where it would not lie in memory, and `ERR_TARGET`.
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
    // One directory is mounted whole. Files elsewhere are mounted one by one, so that they hide nothing of the image.
    file: isInDirectory(path)
      ? join(directory, mounted, posix.relative(directoryInContainer, path))
      : join(directory, `file-${index}`),
  }))
  let lock: Disposable | undefined
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    await checkRoot(root)
    // Before the directory is there: it must never look like one that nobody holds.
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

/** The label of the container that has the directory of this id. */
export function labelOf(id: string): string {
  return `purser.run=${id}`
}

export function lockOf(directory: string): string {
  return `${directory}.lock`
}

export async function removeAll(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  // SQLite leaves the journal where its process was killed.
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
  throw new PurserError("ERR_TARGET", `${root} is not a directory of ours alone`, {
    hint: "look at who made it, and remove it: it has to be root's, with mode 0700",
  })
}

/** The deepest last, so that each can still be entered. */
async function directoriesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name))
}
