import { constants } from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"

/** The names of Purser's temporary files, in every directory. */
export const temporaryPattern = /^\.purser-[0-9a-f]{16}\.tmp$/

export function temporaryIn(directory: string): string {
  return join(directory, `.purser-${randomDigits()}${randomDigits()}.tmp`)
}

/** Eight hexadecimal digits. They need not be secret, because {@link createFlags} take no existing name; node:crypto takes 5 ms to load. */
function randomDigits(): string {
  return Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0")
}

/** The open flags of a new file. They fail if the name exists, so that nothing is written into another file. */
export const createFlags =
  constants.O_RDWR |
  constants.O_CREAT |
  constants.O_EXCL |
  (process.platform === "win32" ? 0 : constants.O_NOFOLLOW)

/**
 * Replaces one of our own files (state, identity, store, status) atomically:
 * even after a crash it has its old or its new content. Throws Node's system
 * errors.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
  { mode = 0o600 }: { mode?: number } = {},
): Promise<void> {
  const temporary = temporaryIn(dirname(path))
  const handle = await open(temporary, createFlags, mode)
  try {
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Syncs a directory, so that renames in it survive a crash. Does nothing on Windows, which cannot do that. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return
  const handle = await open(directory, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
