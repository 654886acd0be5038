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
 * Writes files into directories, whole or not at all: everything is staged and verified under temporary names before
 * the first rename, then renamed back to back. Content comes from elsewhere, and whatever follows is the caller's.
 */

export interface InstallOptions extends DiskOptions {
  /** Base of relative paths; created if absent. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Called once, when everything is staged and verified, before the first name changes; not when nothing changes. */
  readonly beforeRename?: (staged: readonly StagedFile[]) => Promise<void>
  /** Opens the directory of a file; default: {@link openTargetDirectory} below `directory`. Throws `ERR_TARGET`. */
  readonly openPlace?: (file: FileToInstall) => Promise<TargetDirectory>
  /** The owner that a file is to have; default: {@link ownerOf}, by this system's names. */
  readonly ownerOf?: (file: FileToInstall, place: TargetDirectory) => Promise<Owner | undefined>
}

/** Paths, as they are given. */
export interface InstallResult {
  /** Their content is new. */
  readonly written: readonly string[]
  /** The part of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Their content was there already; mode and owner were corrected where they differed. */
  readonly unchanged: readonly string[]
}

/**
 * Throws `ERR_FILE_LINE`, `ERR_TARGET` or `ERR_DISK`, and then no content has changed (unless the target itself does
 * while we rename), or what `beforeRename` throws.
 */
export async function installFiles(
  files: readonly FileToInstall[],
  options: InstallOptions,
): Promise<InstallResult> {
  /** By the path of the directory. */
  const opened = new Map<string, TargetDirectory>()
  // Not a DisposableStack, which Node 22 does not have.
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
  // The first error is the one that is reported. A file that stays is removed at the next start.
  for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => {})
}

/** Files of one directory share it, so that it is opened and synced once. */
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
