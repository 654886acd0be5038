import { dirname, join } from "node:path"
import { replaceFile, temporaryPattern } from "../base/atomic-file.ts"
import { isDigest, type Digest } from "../base/digest.ts"
import { isPurserError, systemErrorCode } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { digestAt, openCurrent } from "../files/content.ts"
import { targetPath, type FileLine } from "../files/file-line.ts"
import { openDirectory, openTargetDirectory, resolveAbove, targetError } from "../files/target-directory.ts"
import { formatReload, reloadWith, type Reload, type RunReload } from "./reload.ts"
import { readdir, rm } from "../files/system-calls.ts"

/**
 * Pending reloads. A crash between the rename and the reload must not lose it, so it is recorded before the rename, in
 * a file beside the new content (which makes the record vanish exactly when the content does), and cleared after the
 * reload succeeded. Others may be able to write that file, so it says only that a reload is pending: the reload that is
 * run is the one of the configuration.
 */

const recordFile = ".purser-owed.json"
/** Far more than we ever write. */
const maxRecordBytes = 4 * 1024 * 1024
const maxDirectories = 1000
/** A name has at most seven directories. */
const maxDepth = 8

export interface PendingReload {
  /** The file's name in this directory. */
  readonly leaf: string
  readonly digest: Digest
  /** As `formatReload` writes it. */
  readonly reload: string
}

export interface SearchScope {
  /** Base directory. */
  readonly directory: string
  /** Lines whose paths may lie elsewhere. */
  readonly files?: readonly FileLine[]
}

export interface PendingReloadOptions extends SearchScope {
  /** Undefined: none is configured any more. */
  readonly reload?: Reload
  runReload: RunReload
  /** Called once the reload has run, before its record is cleared; the reload is not run again when this fails. */
  afterReload?: () => Promise<void>
  log: Log
  signal: AbortSignal
}

/** Adds records in a directory. A record for content that is still in place stays, because the new content may never get there. */
export async function recordPendingReloads(
  directory: string,
  pending: readonly PendingReload[],
): Promise<void> {
  const leaves = new Set(pending.map(({ leaf }) => leaf))
  const kept: PendingReload[] = []
  for (const one of await readRecords(directory)) {
    if (!leaves.has(one.leaf) || (await isInPlace(directory, one))) kept.push(one)
  }
  await writeRecords(directory, [...kept, ...pending])
}

export async function clearPendingReloads(directory: string): Promise<void> {
  await rm(join(directory, recordFile), { force: true })
}

/**
 * Runs the reload once if it is pending for content that is still in place, and drops the records of other content.
 * Resolves with whether it ran. Throws what the reload throws, and then it stays pending.
 */
export async function runPendingReload({
  reload,
  runReload,
  afterReload,
  log,
  signal,
  ...where
}: PendingReloadOptions): Promise<boolean> {
  let isPending = false
  // Where the lines are known no other directory is looked into: this happens in every round.
  const each = where.files === undefined ? eachBelow : eachOfLines
  await each(where, async (directory) => {
    for (const one of await readRecords(directory)) isPending ||= await isInPlace(directory, one)
  })
  const runs = isPending && reload !== undefined
  if (runs) {
    log.info(`running the reload that is owed: ${formatReload(reload)}`)
    await reloadWith(runReload, reload, signal)
  }
  try {
    if (runs) await afterReload?.()
  } finally {
    await each(where, async (directory) => {
      if ((await readRecords(directory)).length > 0) await clearPendingReloads(directory)
    })
  }
  return runs
}

/** Removes what a killed process left half-written. */
export async function removeStaleTemporaries(where: SearchScope): Promise<void> {
  for (const each of [eachOfLines, eachBelow])
    await each(where, async (directory) => {
      for (const entry of await readdir(directory)) {
        if (entry.isFile() && temporaryPattern.test(entry.name))
          await rm(join(directory, entry.name), { force: true })
      }
    })
}

async function readRecords(directory: string): Promise<PendingReload[]> {
  try {
    await using current = await openCurrent({ directory, leaf: recordFile, path: recordFile })
    if (current === null || current.stats.size > maxRecordBytes) return []
    const list: unknown = JSON.parse(await current.handle.readFile("utf8"))
    return Array.isArray(list) ? list.filter(isRecord) : []
  } catch (error) {
    // A file that is absent, of others or not as we write it records nothing.
    if (isPurserError(error) || systemErrorCode(error) !== undefined || error instanceof SyntaxError)
      return []
    throw error
  }
}

async function writeRecords(directory: string, pending: readonly PendingReload[]): Promise<void> {
  await replaceFile(join(directory, recordFile), Buffer.from(`${JSON.stringify(pending)}\n`))
}

function isLeaf(value: unknown): value is string {
  return typeof value === "string" && !/^\.{0,2}$|[/\0]/.test(value)
}

function isRecord(value: unknown): value is PendingReload {
  if (typeof value !== "object" || value === null) return false
  const { leaf, digest, reload } = value as Record<string, unknown>
  return isLeaf(leaf) && isDigest(digest) && typeof reload === "string"
}

async function isInPlace(directory: string, { leaf, digest }: PendingReload): Promise<boolean> {
  const found = await digestAt({ directory, leaf, path: join(directory, leaf) })
  return found?.digest === digest
}

type Visit = (directory: string) => Promise<void>

/** The directories of the lines, as far as they are there and may be looked into. */
async function eachOfLines({ directory, files = [] }: SearchScope, visit: Visit): Promise<void> {
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
 * The base directory and those below it, as far as they are there and may be looked into. Opened as {@link openTargetDirectory}
 * does it, so that a symbolic link put there meanwhile leads nobody out.
 */
async function eachBelow({ directory: base }: SearchScope, visit: Visit): Promise<void> {
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
