import { join } from "node:path"
import { replaceFile } from "../base/atomic-file.ts"
import { isDigest, type Digest } from "../base/digest.ts"
import { isPurserError, systemErrorCode } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { StagedFile } from "../files/stage.ts"
import { targetError } from "../files/target-directory.ts"
import { openCurrent } from "../files/content.ts"
import { digestAt } from "../files/on-disk.ts"
import { eachDirectoryBelow, eachDirectoryOfLines, type SearchScope } from "../files/search-directories.ts"
import { rm } from "../files/system-calls.ts"
import { formatReload, reloadWith, type Reload, type RunReload } from "./reload.ts"

/**
 * Records pending reloads, so that a crash between the rename and the reload does not lose the reload. The record is
 * written before the rename, into a file beside the new content (so that a tmpfs loses both together), and cleared after
 * the reload. Other users may be able to write that file, so it only says that a reload is pending; the command is
 * always the configured one.
 */

const recordFile = ".purser-owed.json"
/** The limit of a record file that is read. Real ones are far smaller. */
const maxRecordBytes = 4 * 1024 * 1024

interface PendingReload {
  /** The file's name in this directory. */
  readonly leaf: string
  readonly digest: Digest
  /** The reload as `formatReload` writes it. */
  readonly reload: string
}

export interface PendingReloadOptions extends SearchScope {
  /** Undefined when no reload is configured any more. */
  readonly reload?: Reload | undefined
  runReload: RunReload
  /** Called after the reload, before its record is cleared. The record is cleared even if this rejects. */
  afterReload?: (() => Promise<void>) | undefined
  log: Log
  signal: AbortSignal
}

/**
 * Adds records in the directories of files that are about to be renamed. Keeps a record for content that is still in
 * place, because the rename may fail. Throws `ERR_TARGET`.
 */
export async function recordPendingReloads(
  files: readonly Pick<StagedFile, "file" | "place">[],
  reload: Reload,
): Promise<void> {
  for (const { directory, path } of new Map(files.map(({ place }) => [place.directory, place])).values()) {
    const here = files.filter(({ place }) => place.directory === directory)
    const isReplaced = new Set(here.map(({ place }) => place.leaf))
    const records = here.map(({ file, place }) => ({
      leaf: place.leaf,
      digest: file.content.digest,
      reload: formatReload(reload),
    }))
    try {
      for (const one of await readRecords(directory))
        if (!isReplaced.has(one.leaf) || (await isInPlace(directory, one))) records.push(one)
      await replaceFile(join(directory, recordFile), Buffer.from(`${JSON.stringify(records)}\n`))
    } catch (error) {
      throw targetError(path, error)
    }
  }
}

/** Clears the records in the directories of the lines. */
export async function clearPendingReloads(scope: SearchScope): Promise<void> {
  await eachDirectoryOfLines(scope, clearRecords)
}

/**
 * Runs the reload once if it is pending for content that is still in place, and clears all records. Resolves with
 * whether it ran. Throws what the reload throws, and then it stays pending.
 */
export async function runPendingReload({
  reload,
  runReload,
  afterReload,
  log,
  signal,
  ...scope
}: PendingReloadOptions): Promise<boolean> {
  let isPending = false
  // Visits only the directories of the lines if there are any, because this runs in every round.
  const each = scope.files === undefined ? eachDirectoryBelow : eachDirectoryOfLines
  await each(scope, async (directory) => {
    for (const one of await readRecords(directory)) isPending ||= await isInPlace(directory, one)
  })
  const runs = isPending && reload !== undefined
  if (runs) {
    log.info(`running the pending reload: ${formatReload(reload)}`)
    await reloadWith(runReload, reload, signal)
  }
  try {
    if (runs) await afterReload?.()
  } finally {
    await each(scope, clearRecords)
  }
  return runs
}

async function readRecords(directory: string): Promise<PendingReload[]> {
  try {
    await using current = await openCurrent({ directory, leaf: recordFile, path: recordFile })
    if (current === null || current.stats.size > maxRecordBytes) return []
    const list: unknown = JSON.parse(await current.handle.readFile("utf8"))
    return Array.isArray(list) ? list.filter(isRecord) : []
  } catch (error) {
    // An absent, unreadable or malformed file records nothing.
    if (isPurserError(error) || systemErrorCode(error) !== undefined || error instanceof SyntaxError)
      return []
    throw error
  }
}

async function clearRecords(directory: string): Promise<void> {
  if ((await readRecords(directory)).length > 0) await rm(join(directory, recordFile), { force: true })
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
