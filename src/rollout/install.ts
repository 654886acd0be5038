import { constants } from "node:fs"
import { basename, dirname, join } from "node:path"
import type { Digest } from "../base/digest.ts"
import { createFlags, temporaryIn } from "../base/atomic-file.ts"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { Secret } from "../base/secret.ts"
import {
  holds,
  readAll,
  readOnDisk,
  openCurrent,
  openRegular,
  pathOnly,
  verifyContent,
} from "../files/content.ts"
import { checkPaths, targetPath, type FileLine } from "../files/file-line.ts"
import { checkServed, isCheckFailure, leafAmong, type Check, type Leaf, type NamedContent } from "./check.ts"
import { contentsDigest, type FailedSets } from "./failed-sets.ts"
import { isMemory } from "../files/memory.ts"
import { clearPendingReloads, recordPendingReloads } from "./pending-reload.ts"
import { ownerOf } from "../files/local-owner.ts"
import type { Owner } from "../files/owner.ts"
import { openTargetDirectory, targetError, type TargetDirectory } from "../files/target-directory.ts"
import { formatReload, reloadWith, type Reload, type RunReload } from "./reload.ts"
import { open, rename, rm, type FileHandle } from "../files/system-calls.ts"

/**
 * Writes files into directories, whole or not at all: everything is staged and
 * verified under temporary names before the first rename, renamed back to back,
 * then reloaded once. Content comes from elsewhere, and who reloads is passed in.
 */

export interface FileToInstall {
  readonly line: FileLine
  readonly content: Secret
}

export interface InstallOptions {
  /** Base of relative paths; created if absent. */
  directory: string
  reload?: Reload
  runReload: RunReload
  /** What is to be served after the reload, or without one after content was replaced; else the old set is put back. */
  check?: CheckOptions
  /** Throw `ERR_DISK` for a directory that is not in memory, instead of a warning. */
  requireTmpfs?: boolean
  log: Log
  signal: AbortSignal
  /** Once, when everything is staged and verified, before the first name changes; not when nothing changes. */
  beforeChange?: () => Promise<void>
  /** How to get to the directory of a line; default: {@link openTargetDirectory} below `directory`. Throws `ERR_TARGET`. */
  openPlace?: (line: FileLine) => Promise<TargetDirectory>
  /** Who is to own a file; default: {@link ownerOf}, by this system's names. */
  ownerOf?: (line: FileLine, place: TargetDirectory) => Promise<Owner | undefined>
  /** Called after each step; for tests that kill the process there. */
  step?: (name: InstallStep) => void
}

export interface CheckOptions {
  readonly check: Check
  /** Asked where the check names none. */
  readonly hosts: readonly string[]
  readonly held: FailedSets
  /** Its name in `held`. */
  readonly target: string
  /** All that belong to the set, also those that are not written now. Default: those that are given. */
  readonly lines?: readonly FileLine[]
  /** The names that were put back. */
  readonly onRolledBack?: (names: readonly string[], error: PurserError) => Promise<void>
}

export type InstallStep = "staged" | "recorded" | "renamed" | "reloaded" | "checked" | "cleared"

export interface InstallResult {
  /** Names whose content is new. */
  readonly written: readonly string[]
  /** Those of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Names whose content was there already; mode and owner were mended where they differed. */
  readonly unchanged: readonly string[]
  readonly reloaded: boolean
}

interface Staged {
  readonly file: FileToInstall
  readonly place: TargetDirectory
  readonly temporary: string
  readonly owner: Owner | undefined
  /** Other content was there. */
  readonly replaces: boolean
}

/** What lay there, kept in memory until the check has passed. */
interface Old {
  readonly file: FileToInstall
  readonly owner: Owner
}

/**
 * Throws `ERR_FILE_LINE`, `ERR_TARGET` or `ERR_DISK`, and then no content has changed (unless the target itself does
 * while we rename); or `ERR_RELOAD`, and then all files are in place and the reload stays owed; or `ERR_CHECK`, and
 * then the old set is back, or the message says what stands in the way of that.
 */
export async function installFiles(
  files: readonly FileToInstall[],
  options: InstallOptions,
): Promise<InstallResult> {
  const { reload, runReload, signal, step = () => {} } = options
  /** By the path of the directory. */
  const opened = new Map<string, TargetDirectory>()
  // Not a DisposableStack, which Node 22 does not have.
  await using _ = { [Symbol.asyncDispose]: () => closeAll([...opened.values()]) }
  const staged: Staged[] = []
  const unchanged: string[] = []
  const checked = new Set<number>()
  let way: WayBack | undefined
  try {
    checkPaths(
      files.map(({ line }) => line),
      options.directory,
    )
    for (const file of files) {
      const place = await placeOf(file.line, options, opened)
      await checkMemory(place, options, checked)
      const owner = await (options.ownerOf ?? ownerOf)(file.line, place)
      const before = await compare(file, place, owner)
      if (before === "same") unchanged.push(file.line.name)
      else staged.push({ ...(await stage(file, place, owner)), replaces: before === "other" })
      signal.throwIfAborted()
    }
    if (staged.length === 0) return { written: [], replaced: [], unchanged, reloaded: false }
    step("staged")
    if (options.check !== undefined) way = await prepare(files, staged, options.check, options.directory)
    await options.beforeChange?.()
    if (reload !== undefined) await record(staged, reload)
    step("recorded")
    for (const one of staged) await putInPlace(one, options.log)
    await syncDirectories(staged)
    step("renamed")
  } catch (error) {
    await removeAll(staged)
    throw error
  }
  const written = staged.map(({ file }) => file.line.name)
  const replaced = staged.filter(({ replaces }) => replaces).map(({ file }) => file.line.name)
  if (reload === undefined && (way === undefined || replaced.length === 0))
    return { written, replaced, unchanged, reloaded: false }
  try {
    if (reload !== undefined) await reloadWith(runReload, reload, signal)
    step("reloaded")
    // The reload stays owed until this is over. Who dies before that leaves the new files, and a check after the
    // reload that is owed; the old ones went with our memory.
    if (way !== undefined) {
      await checkServed(way.check, way.expected, way.hosts, signal)
      step("checked")
    }
  } catch (error) {
    if (way === undefined || !(isCheckFailure(error) || isPurserError(error, "ERR_RELOAD"))) throw error
    way.held.recordFailure(way.target, way.set)
    throw await rollBack(way, error, options)
  }
  for (const directory of directoriesOf(staged)) await clearPendingReloads(directory)
  step("cleared")
  return { written, replaced, unchanged, reloaded: reload !== undefined }
}

interface WayBack extends CheckOptions {
  readonly expected: Leaf
  /** What was served before; null where nothing was. */
  readonly before: Leaf | null
  readonly set: Digest
  readonly old: readonly Old[]
  readonly added: readonly Staged[]
}

/** Throws `ERR_CHECK` for a set that is held back, for one that cannot be checked, and for an old file that cannot be kept. */
async function prepare(
  files: readonly FileToInstall[],
  staged: readonly Staged[],
  options: CheckOptions,
  directory: string,
): Promise<WayBack> {
  const { check, held, target } = options
  const set = contentsDigest(staged.map(({ file }) => ({ name: file.line.name, content: file.content })))
  held.throwIfFailed(target, set)
  const onDisk: NamedContent[] = []
  for (const line of options.lines ?? files.map((file) => file.line)) {
    const content = await readOnDisk(line, directory)
    if (content !== null) onDisk.push({ name: line.name, content })
  }
  const given = files.map(({ line, content }) => ({ name: line.name, content }))
  const isGiven = new Set(given.map(({ name }) => name))
  const expected = leafAmong(check, [...given, ...onDisk.filter(({ name }) => !isGiven.has(name))])
  const old: Old[] = []
  for (const { file, place, replaces } of staged) if (replaces) old.push(await keep(file, place))
  const added = staged.filter(({ replaces }) => !replaces)
  return { ...options, expected, before: leafBefore(check, onDisk), set, old, added }
}

function leafBefore(check: Check, onDisk: readonly NamedContent[]): Leaf | null {
  try {
    return leafAmong(check, onDisk)
  } catch {
    return null
  }
}

async function keep({ line }: FileToInstall, place: TargetDirectory): Promise<Old> {
  await using current = await openCurrent(place)
  const bytes = current && (await readAll(current))
  if (current === null || bytes === null) {
    throw new PurserError("ERR_CHECK", `the old content of ${place.path} cannot be kept`, {
      hint: "nothing was changed; without the check it would be replaced for good",
    })
  }
  const { mode, uid, gid } = current.stats
  return { file: { line: { ...line, mode: mode & 0o7777 }, content: new Secret(bytes) }, owner: { uid, gid } }
}

/** The error to throw; it says whether the old set is served again. */
async function rollBack(way: WayBack, cause: PurserError, options: InstallOptions): Promise<PurserError> {
  const { signal, directory } = options
  const failed = (what: string): PurserError =>
    new PurserError("ERR_CHECK", `${cause.message}; ${what}`, { cause, hint: cause.hint })
  const { old, added } = way
  if (old.length === 0)
    return failed("nothing was there before that could be put back, so the new files stay")
  const owners = new Map(old.map(({ file, owner }) => [file.line.name, owner]))
  const { check: _check, beforeChange: _before, step: _step, ...rest } = options
  try {
    // What was added goes first: the note of the reload that is owed is written with the old contents.
    for (const { place } of added) await rm(join(place.directory, place.leaf), { force: true })
    const names = old.map(({ file }) => file.line.name)
    await way.onRolledBack?.(names, cause)
    await installFiles(
      old.map(({ file }) => file),
      {
        ...rest,
        // Only root can give files away; and to whom they were, so that they are as they were.
        ownerOf: async ({ name }) => (process.getuid?.() === 0 ? owners.get(name) : undefined),
      },
    )
  } catch (error) {
    signal.throwIfAborted()
    return failed(`and the old files in ${directory} could not be put back and reloaded: ${reasonOf(error)}`)
  }
  if (way.before === null) return failed("the old files are back, which hold no certificate to check")
  try {
    await checkServed(way.check, way.before, way.hosts, signal)
  } catch (error) {
    signal.throwIfAborted()
    return failed(`the old files are back, and are not served either: ${reasonOf(error)}`)
  }
  return failed("the old files are back, and served")
}

async function closeAll(places: readonly TargetDirectory[]): Promise<void> {
  for (const place of places) await place[Symbol.asyncDispose]()
}

async function removeAll(staged: readonly Staged[]): Promise<void> {
  // What went wrong is told already, and what stays is removed at the next start.
  for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => {})
}

/** Files of one directory share it, so that it is opened, recorded and synced once. */
async function placeOf(
  line: FileLine,
  { directory, ...options }: InstallOptions,
  opened: Map<string, TargetDirectory>,
): Promise<TargetDirectory> {
  const path = targetPath(line, directory)
  const known = opened.get(dirname(path))
  if (known !== undefined) return { ...known, path, leaf: basename(path) }
  const place = await (options.openPlace?.(line) ?? openTargetDirectory(line, directory, { create: true }))
  if (place === null) throw new PurserError("ERR_TARGET", `cannot write ${path}: its directory vanished`)
  opened.set(dirname(path), place)
  return place
}

/** The directory, and the file itself where one from elsewhere is mounted on its name. */
async function checkMemory(
  place: TargetDirectory,
  options: InstallOptions,
  checked: Set<number>,
): Promise<void> {
  const below = (await place.handle?.stat())?.dev ?? 0
  await check(place.directory, below)
  if (place.handle === undefined) return
  const own = await open(join(place.directory, place.leaf), pathOnly).catch(() => null)
  try {
    const stats = await own?.stat()
    if (stats?.isFile() === true) await check(`/proc/self/fd/${own?.fd}`, stats.dev)
  } finally {
    await own?.close()
  }

  async function check(at: string, device: number): Promise<void> {
    if (checked.has(device)) return
    checked.add(device)
    if (!(await isMemory(at))) refuseDisk(place.path, options)
  }
}

/** Throws `ERR_DISK`, or warns. */
export function refuseDisk(
  path: string,
  { requireTmpfs, log }: Pick<InstallOptions, "requireTmpfs" | "log">,
): void {
  const hint =
    "use a tmpfs: tmpfs: /run/secrets in a Compose file, --tmpfs with docker run, or a volume of type tmpfs"
  if (requireTmpfs === true) throw new PurserError("ERR_DISK", `${path} would lie on a disk`, { hint })
  log.warn(`${path} lies on a disk, where plaintext can outlive its deletion`, { hint })
}

/** The same content is not written again; its mode and owner are set right on the descriptor. */
async function compare(
  { line, content }: FileToInstall,
  place: TargetDirectory,
  owner: Owner | undefined,
): Promise<"same" | "other" | "none"> {
  try {
    await using current = await openCurrent(place)
    if (current === null) return "none"
    if (!(await holds(current, content))) return "other"
    // It has another name too, where mode and owner may have to stay as they are.
    if (current.stats.nlink > 1) return "none"
    await setOwnerAndMode(current.handle, line, owner)
    return "same"
  } catch (error) {
    throw targetError(place.path, error)
  }
}

async function stage(
  file: FileToInstall,
  place: TargetDirectory,
  owner: Owner | undefined,
): Promise<Omit<Staged, "replaces">> {
  const temporary = temporaryIn(place.directory)
  try {
    const handle = await open(temporary, createFlags, 0o600)
    try {
      // Before the content: at no time may anybody read it who must not.
      await setOwnerAndMode(handle, file.line, owner)
      await handle.writeFile(file.content.reveal())
      await handle.sync()
    } finally {
      await handle.close()
    }
    await verifyContent(temporary, place.path, file.content)
    return { file, place, temporary, owner }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw targetError(place.path, error)
  }
}

async function setOwnerAndMode(
  handle: FileHandle,
  { mode }: FileLine,
  owner: Owner | undefined,
): Promise<void> {
  if (process.platform === "win32") return
  const stats = await handle.stat()
  if (owner !== undefined && (stats.uid !== owner.uid || stats.gid !== owner.gid))
    await handle.chown(owner.uid, owner.gid)
  if ((stats.mode & 0o7777) !== mode) await handle.chmod(mode)
}

async function record(staged: readonly Staged[], reload: Reload): Promise<void> {
  for (const directory of directoriesOf(staged)) {
    const here = staged.filter(({ place }) => place.directory === directory)
    const owed = here.map(({ place, file }) => ({
      leaf: place.leaf,
      digest: file.content.digest,
      reload: formatReload(reload),
    }))
    await recordPendingReloads(directory, owed).catch((error: unknown) => {
      throw targetError(here[0]?.place.path ?? directory, error)
    })
  }
}

async function putInPlace({ file, place, temporary, owner }: Staged, log: Log): Promise<void> {
  const target = join(place.directory, place.leaf)
  try {
    await rename(temporary, target)
  } catch (error) {
    // A bind-mounted single file cannot be replaced, only overwritten.
    if (systemErrorCode(error) !== "EBUSY") throw targetError(place.path, error)
    log.warn(`${place.path} is a mount point and was overwritten in place, which is not atomic`, {
      hint: "mount the directory instead of the single file",
    })
    await overwrite(target, file, place, owner)
    await rm(temporary, { force: true })
  }
}

async function overwrite(
  target: string,
  file: FileToInstall,
  place: TargetDirectory,
  owner: Owner | undefined,
): Promise<void> {
  try {
    await using current = await openRegular(target, place.path, constants.O_RDWR)
    const { handle, stats } = current
    if (stats.nlink !== 1) {
      throw new PurserError(
        "ERR_TARGET",
        `cannot write ${place.path}: it is a mount point and no regular file with one name`,
      )
    }
    await setOwnerAndMode(handle, file.line, owner)
    const old = await readAll(current)
    try {
      await writeOver(handle, file.content.reveal())
    } catch (error) {
      // Its blocks are still the file's own, so a full disk does not stop this.
      if (old !== null) await writeOver(handle, old).catch(() => {})
      throw error
    }
    await verifyContent(target, place.path, file.content)
  } catch (error) {
    throw targetError(place.path, error)
  }
}

/** Cut only afterwards, so that no block is given up before it is known that the rest can be had. */
async function writeOver(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await handle.write(bytes, done, bytes.length - done, done)).bytesWritten
  await handle.truncate(bytes.length)
  await handle.sync()
}

function directoriesOf(staged: readonly Staged[]): Set<string> {
  return new Set(staged.map(({ place }) => place.directory))
}

async function syncDirectories(staged: readonly Staged[]): Promise<void> {
  for (const handle of new Set(staged.map(({ place }) => place.handle))) await handle?.sync()
}
