import { basename, dirname } from "node:path"
import { PurserError } from "../base/errors.ts"
import { checkPaths, targetPath, writtenPath } from "./file-line.ts"
import { ownerOf } from "./local-owner.ts"
import type { Owner } from "./owner.ts"
import { putInPlace } from "./put-in-place.ts"
import { checkMemory, type DiskOptions } from "./require-memory.ts"
import { stage, type FileToInstall, type StagedFile } from "./stage.ts"
import { rm } from "./system-calls.ts"
import { openTargetDirectory, type TargetDirectory } from "./target-directory.ts"

/**
 * Writes a set of files into directories, all or none: every file is staged and verified under a temporary name before
 * the first rename. Does not fetch contents, and runs no reload.
 */

export interface InstallOptions extends DiskOptions {
  /** The base of relative paths; created if absent. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Called once, when every file is staged and verified, before the first rename. Not called when nothing changes. */
  readonly beforeRename?: (staged: readonly StagedFile[]) => Promise<void>
  /** Opens the directory of a file; default: {@link openTargetDirectory} below `directory`. Throws `ERR_TARGET`. */
  readonly openPlace?: (file: FileToInstall) => Promise<TargetDirectory>
  /** Resolves the owner that a file gets; default: {@link ownerOf}, by this system's names. */
  readonly ownerOf?: (file: FileToInstall, place: TargetDirectory) => Promise<Owner | undefined>
}

/** Paths as written in the file lines. */
export interface InstallResult {
  /** Files that were created or got other content. */
  readonly written: readonly string[]
  /** The part of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Files that had the content already. Their mode and owner were corrected if they differed. */
  readonly unchanged: readonly string[]
}

/**
 * Installs the files. Throws `ERR_FILE_LINE`, `ERR_TARGET`, `ERR_DISK`, or what `beforeRename` throws. After an error no content has changed,
 * unless a rename failed after others had succeeded.
 */
export async function installFiles(
  files: readonly FileToInstall[],
  options: InstallOptions,
): Promise<InstallResult> {
  /** The open directories, by path. */
  const opened = new Map<string, TargetDirectory>()
  // Node 22 has no AsyncDisposableStack.
  await using _ = { [Symbol.asyncDispose]: () => closeAll([...opened.values()]) }
  const staged: StagedFile[] = []
  const unchanged: string[] = []
  const checked = new Set<number>()
  try {
    checkPaths(files, options.directory)
    for (const file of files) {
      const place = await placeOf(file, options, opened)
      await checkMemory(place, options, checked)
      const one = await stage(file, place, await (options.ownerOf ?? ownerOf)(file, place))
      if (one === null) unchanged.push(writtenPath(file))
      else staged.push(one)
      options.signal.throwIfAborted()
    }
    if (staged.length > 0) await options.beforeRename?.(staged)
    for (const one of staged) await putInPlace(one, options.log)
    await syncDirectories(staged)
  } catch (error) {
    await removeTemporaries(staged)
    throw error
  }
  return { written: pathsOf(staged), replaced: pathsOf(staged.filter(({ replaces }) => replaces)), unchanged }
}

function pathsOf(staged: readonly StagedFile[]): string[] {
  return staged.map(({ file }) => writtenPath(file))
}

async function closeAll(places: readonly TargetDirectory[]): Promise<void> {
  for (const place of places) await place[Symbol.asyncDispose]()
}

async function removeTemporaries(staged: readonly StagedFile[]): Promise<void> {
  // Errors are ignored: the first error is reported, and the next start removes remaining files.
  for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => {})
}

/** Opens the directory of a file, or shares the open one, so that each directory is opened and synced once. */
async function placeOf(
  file: FileToInstall,
  { directory, ...options }: InstallOptions,
  opened: Map<string, TargetDirectory>,
): Promise<TargetDirectory> {
  const path = targetPath(file, directory)
  const known = opened.get(dirname(path))
  if (known !== undefined) return { ...known, path, leaf: basename(path) }
  const place = await (options.openPlace?.(file) ?? openTargetDirectory(file, directory, { create: true }))
  if (place === null) throw new PurserError("ERR_TARGET", `cannot write ${path}: its directory vanished`)
  opened.set(dirname(path), place)
  return place
}

async function syncDirectories(staged: readonly StagedFile[]): Promise<void> {
  for (const handle of new Set(staged.map(({ place }) => place.handle))) await handle?.sync()
}
