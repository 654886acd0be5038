import type { Digest } from "../base/digest.ts"
import { isPurserError, reasonOf } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import { inspectOnDisk, readOnDisk } from "../files/on-disk.ts"
import { checkPaths, targetPath, writtenPath, type FileLine } from "../files/file-line.ts"
import { type Check } from "./check.ts"
import { directoryTarget, type DirectoryTargetOptions } from "./directory-target.ts"
import { runPendingReload } from "./pending-reload.ts"
import { rollOut, type FailedAt, type RolloutOptions } from "./rollout.ts"
import type { RolloutFile, WrittenFiles } from "./target.ts"
import { leafAmong, type NamedContent } from "./leaf.ts"
import { checkServed, localHosts } from "./check-served.ts"

/**
 * Brings a set of files up to date: asks for each with the digest of the file in
 * place, and installs the new ones as one set. The caller passes the function that
 * fetches contents, from an agent over a channel or from the agent's own sources.
 */

export type Fetched =
  | { readonly status: "sent"; readonly content: Secret }
  | { readonly status: "match" | "missing" | "denied" | "failed"; readonly message?: string | undefined }

export type Fetch = (name: string, have: Digest | null, line: FileLine) => Promise<Fetched>

export interface DeliverFilesOptions extends DirectoryTargetOptions {
  /** Runs after the reload, or after content was replaced if there is no reload. */
  readonly check?: FilesCheck
  /**
   * Whether the application may use the files already. Before that (it waits
   * for the first complete delivery) new files need no reload and no check,
   * unless every required file was in place or one was replaced.
   */
  readonly inUse: boolean
}

export interface FilesCheck extends Pick<RolloutOptions<WrittenFiles>, "onRolledBack"> {
  readonly check: Check
  readonly failed: FailedAt
}

export interface FilesResult {
  readonly files: readonly { readonly line: FileLine; readonly status: Fetched["status"] }[]
  readonly written: number
  readonly unchanged: number
  /** The number of files neither sent nor matched, optional ones included. */
  readonly missing: number
  /** The absolute paths of the required files. */
  readonly required: readonly string[]
  /** The names of required files that are not in place. */
  readonly lacking: readonly string[]
}

/** Delivers the files of the lines. Files that could not be fetched are in the result. Throws what {@link rollOut} throws. */
export async function deliverFiles(
  lines: readonly FileLine[],
  fetch: Fetch,
  options: DeliverFilesOptions,
): Promise<FilesResult> {
  const { directory, inUse, log, signal } = options
  checkPaths(lines, directory)
  const found = await Promise.all(lines.map((line) => inspectOnDisk(line, directory)))
  // A file with a wrong mode or owner is asked for without a digest, so that installing it corrects them.
  const have = found.map((one) => (one?.fits === true ? one.digest : null))
  const required = lines.filter((line) => !line.optional)
  // An earlier process may have delivered every file, and the application may use them.
  const wasComplete =
    required.length > 0 && lines.every((line, index) => line.optional || (found[index] ?? null) !== null)
  const fetched = await Promise.all(lines.map((line, index) => fetch(line.name, have[index] ?? null, line)))
  const received: RolloutFile[] = []
  let replaces = false
  for (const [index, answer] of fetched.entries()) {
    const line = lines[index]
    if (line === undefined || answer.status !== "sent") continue
    received.push({ ...line, path: writtenPath(line), content: answer.content })
    const before = found[index]
    if (before && before.digest !== answer.content.digest) replaces = true
  }
  const isUsed = inUse || wasComplete
  const reload = isUsed || replaces ? options.reload : undefined
  const check = isUsed ? options.check : undefined
  const runPending = async (): Promise<void> => {
    if (options.reload === undefined) return
    const afterReload = check && (() => checkOnDisk(lines, directory, check.check, signal))
    await runPendingReload({ ...options, files: lines, afterReload })
  }
  const target = directoryTarget(lines, { ...options, reload })
  const { written, unchanged } = await rollOut(target, received, {
    ...check,
    checks: check === undefined ? [] : [check.check],
    onWritten: async (result) =>
      result.written.length > 0 && (reload !== undefined || result.replaced.length > 0),
    signal,
  }).catch(async (error: unknown) => {
    // A file that cannot be written, perhaps for days, must not block the reload for new files that are in place.
    if (!isPurserError(error, "ERR_RELOAD"))
      await runPending().catch((failed: unknown) => log.warn(reasonOf(failed)))
    throw error
  })
  // A reload that failed earlier is run again, even if no content has changed since.
  await runPending()

  const files = lines.map((line, index) => {
    const status = fetched[index]?.status ?? "failed"
    // A match without a digest in the request is a fault of the peer.
    return { line, status: status === "match" && have[index] === null ? "failed" : status }
  })
  return {
    files,
    written: written.length,
    unchanged: unchanged.length + files.filter(({ status }) => status === "match").length,
    missing: files.filter(({ status }) => !isInPlace(status)).length,
    required: required.map((line) => targetPath(line, directory)),
    lacking: files
      .filter(({ line, status }) => !line.optional && !isInPlace(status))
      .map(({ line }) => line.name),
  }
}

/** The check after a reload that an earlier process left pending. It can only report, because the old files were in that process's memory. */
export async function checkOnDisk(
  lines: readonly FileLine[],
  directory: string,
  check: Check,
  signal: AbortSignal,
): Promise<void> {
  const files: NamedContent[] = []
  for (const line of lines) {
    const content = await readOnDisk(line, directory)
    if (content !== null) files.push({ name: line.name, content })
  }
  await checkServed(check, leafAmong(check, files), localHosts, signal)
}

function isInPlace(status: Fetched["status"]): boolean {
  return status === "sent" || status === "match"
}
