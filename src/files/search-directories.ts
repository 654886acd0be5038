import { dirname, join } from "node:path"
import { isPurserError } from "../base/errors.ts"
import { targetPath, type LinePath } from "./file-line.ts"
import { readdir } from "./system-calls.ts"
import { openDirectory, openTargetDirectory, resolveAbove, targetError } from "./target-directory.ts"

/** Visits the directories in which an earlier process may have left temporary files or records of reloads. */

const maxDirectories = 1000
/** One more than a secret's name can have directories, which is seven. */
const maxDepth = 8

export interface SearchScope {
  /** The base directory. */
  readonly directory: string
  /** File lines, whose paths may lie outside the base directory. */
  readonly files?: readonly LinePath[]
}

type Visit = (directory: string) => Promise<void>

/** Visits the directories of the lines. Skips absent and unreadable ones. */
export async function eachDirectoryOfLines(
  { directory, files = [] }: SearchScope,
  visit: Visit,
): Promise<void> {
  const oneOfEach = new Map(files.map((line) => [dirname(targetPath(line, directory)), line]))
  for (const [path, line] of oneOfEach) {
    await using place = await openTargetDirectory(line, directory, { create: false }).catch(
      (error: unknown) => {
        if (isPurserError(error)) return null
        throw error
      },
    )
    if (place !== null) await visitOne(path, place.directory, visit)
  }
}

/**
 * Visits the base directory and those below it. Skips absent and unreadable ones. Opens each as {@link
 * openTargetDirectory} does, so that a symbolic link that is put there meanwhile is not followed.
 */
export async function eachDirectoryBelow({ directory: base }: SearchScope, visit: Visit): Promise<void> {
  let left = maxDirectories
  const walk = async (path: string, depth: number): Promise<void> => {
    if (left-- <= 0) return
    await using opened = await openDirectory(path)
    if (opened === null) return
    await visitOne(path, opened.directory, visit)
    if (depth === 0) return
    for (const entry of await readdir(opened.directory)) {
      if (entry.isDirectory()) await walk(join(opened.directory, entry.name), depth - 1)
    }
  }
  const real = await resolveAbove(base).catch(() => null)
  if (real !== null) await walk(real, maxDepth)
}

async function visitOne(path: string, directory: string, visit: Visit): Promise<void> {
  await visit(directory).catch((error: unknown) => {
    throw targetError(path, error)
  })
}
