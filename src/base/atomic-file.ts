import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"

/** How temporary files of ours are called, wherever they are. */
export const temporaryPattern = /^\.purser-[0-9a-f]{16}\.tmp$/

export function temporaryIn(directory: string): string {
  return join(directory, `.purser-${randomBytes(8).toString("hex")}.tmp`)
}

/** Whoever finds the name taken must not write into somebody else's file. */
export const createFlags =
  constants.O_RDWR |
  constants.O_CREAT |
  constants.O_EXCL |
  (process.platform === "win32" ? 0 : constants.O_NOFOLLOW)

/**
 * Replaces one of our own files (state, identity, store, status): old-whole or
 * new-whole, whatever happens meanwhile. Throws Node's system errors.
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

/** Makes renames in a directory last through a crash, where the system has such a thing. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return
  const handle = await open(directory, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
