import { mkdir, readdir, rename, rmdir } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { syncDirectory, temporaryIn } from "../../base/atomic-file.ts"
import { systemErrorCode } from "../../base/errors.ts"
import { makePrivateDirectory, removeTemporaries, writeNew, writing } from "../files.ts"

/**
 * Replaces several files of `ca/` together: a key and its certificate must never be of two generations. All are
 * written into a directory that then gets the name `pending`: from there on they count, and whoever comes next
 * moves into place what a killed process did not. Whoever calls these holds the lock.
 */

const pending = "pending"

export async function isPending(directory: string): Promise<boolean> {
  return (await writing(directory, () => filesBelow(join(directory, pending)))) !== null
}

/** `files`: content by path below `directory`. Throws `ERR_CA`, with nothing changed. */
export async function replaceTogether(
  directory: string,
  files: ReadonlyMap<string, string>,
  step: (name: string) => void,
): Promise<void> {
  await removeTemporaries(directory)
  const staged = temporaryIn(directory)
  try {
    await writing(directory, async () => {
      for (const [path, text] of files) {
        const file = join(staged, path)
        await makePrivateDirectory(dirname(file))
        await writeNew(file, text)
        await syncDirectory(dirname(file))
      }
      await syncDirectory(staged)
      step("staged")
      await rename(staged, join(directory, pending))
      await syncDirectory(directory)
    })
  } catch (error) {
    await removeTemporaries(directory)
    throw error
  }
  step("pending")
  await finishPending(directory, step)
}

/** Nothing to do, nearly always. */
export async function finishPending(directory: string, step: (name: string) => void): Promise<void> {
  const from = join(directory, pending)
  await writing(directory, async () => {
    const files = await filesBelow(from)
    if (files === null) return
    for (const path of files) {
      const to = join(directory, path)
      await mkdir(dirname(to), { recursive: true, mode: 0o700 })
      await rename(join(from, path), to)
      await syncDirectory(dirname(to))
      step(`moved ${path}`)
    }
    const parents = new Set(await readdir(from))
    for (const name of parents) await rmdir(join(from, name))
    await rmdir(from)
    await syncDirectory(directory)
  })
}

/** Null when there is no such directory. */
async function filesBelow(directory: string): Promise<string[] | null> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
      .toSorted()
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return null
    throw error
  }
}
