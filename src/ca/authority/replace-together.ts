import { mkdir, readdir, rename, rmdir } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { syncDirectory, temporaryIn } from "../../base/atomic-file.ts"
import { systemErrorCode } from "../../base/errors.ts"
import { makePrivateDirectory, removeTemporaries, writeNew, writing } from "../files.ts"

/**
 * Replaces several files of `ca/` together, because a key and its certificate must belong together after a crash too.
 * The files are written into a directory, which is then renamed to `pending`. From then on the replacement is decided:
 * if the process is killed, the next one moves the remaining files into place. Callers hold the lock, except for
 * {@link isPending}.
 */

const pending = "pending"

export async function isPending(directory: string): Promise<boolean> {
  return (await writing(directory, () => filesBelow(join(directory, pending)))) !== null
}

/**
 * `files`: content by path below `directory`. Throws `ERR_CA`; an error before the rename to `pending` changes nothing.
 */
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

/** Moves the files of `pending` into place, if there is such a directory. Throws `ERR_CA`. */
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

/** The paths of all files below the directory; null if it does not exist. */
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
