import { isPurserError, type PurserError } from "../base/errors.ts"
import { type Check } from "./check.ts"
import type { FailedSets } from "./failed-sets.ts"
import { rollBack } from "./roll-back.ts"
import type { RolloutFile, RolloutTarget, WrittenFiles } from "./target.ts"
import { leavesAmong, type ExpectedLeaves } from "./leaf.ts"
import { checkAll } from "./check-served.ts"

/**
 * Replaces a set of files that a service uses: writes it, reloads the service once, and checks that the new certificate
 * is served; if it is not, or the reload fails, the old files are put back. Their contents are kept in this process
 * only, so a crash before the check leaves the new ones.
 */

export interface RolloutOptions<Result extends WrittenFiles> {
  /** The checks after the reload. Without any there is no roll-back. */
  readonly checks: readonly Check[]
  /** Refuses a set that failed recently. */
  readonly failed?: FailedAt
  /** Called once, before the first rename. Not called when nothing changes. */
  readonly beforeChange?: () => Promise<void>
  /** Decides, once the files are in place, whether to reload and check. Default: when a file was written. */
  readonly onWritten?: (result: Result) => Promise<boolean>
  /** Called with the names of the restored files, before their reload. */
  readonly onRolledBack?: (names: readonly string[], error: PurserError) => Promise<void>
  readonly signal: AbortSignal
}

export interface FailedAt {
  readonly sets: FailedSets
  /** The target's name among the sets. */
  readonly target: string
}

export interface Outcome {
  readonly reloaded: boolean
  readonly checked: boolean
}

/**
 * Throws what the target throws, or `ERR_CHECK`. That is thrown before anything changes when the set failed recently,
 * holds no certificate to check, or has an old file that cannot be kept; otherwise after a roll-back, and the message
 * says whether the old files are back. When aborted after the write, the new files stay.
 */
export async function rollOut<Result extends WrittenFiles>(
  target: RolloutTarget<Result>,
  files: readonly RolloutFile[],
  { checks, failed, beforeChange, onWritten, onRolledBack, signal }: RolloutOptions<Result>,
): Promise<Result & Outcome> {
  const isChecked = checks.length > 0
  const hosts = checks.some(({ host }) => host === null) ? await target.hosts() : []
  let changing = files
  let old: ReadonlyMap<string, RolloutFile> = new Map()
  let expected: ExpectedLeaves | undefined
  const result = await target.write(files, async (paths) => {
    if (isChecked) {
      changing = files.filter(({ path }) => paths.includes(path))
      failed?.sets.throwIfFailed(failed.target, changing)
      old = await target.readOld(changing)
      const isNew = new Set(files.map(({ path }) => path))
      expected = leavesAmong(checks, [...files, ...[...old.values()].filter(({ path }) => !isNew.has(path))])
    }
    await beforeChange?.()
  })
  if (!(await (onWritten?.(result) ?? result.written.length > 0)))
    return { ...result, reloaded: false, checked: false }
  expected ??= leavesAmong(checks, files)
  try {
    const reloaded = await target.reload()
    await checkAll(expected, hosts, signal)
    await target.clearPending?.()
    return { ...result, reloaded, checked: isChecked }
  } catch (error) {
    if (!isChecked) throw error
    signal.throwIfAborted()
    if (!isPurserError(error, "ERR_CHECK") && !isPurserError(error, "ERR_RELOAD")) throw error
    if (error.code === "ERR_RELOAD" && (await target.isAway?.())) throw error
    failed?.sets.recordFailure(failed.target, changing)
    const { written } = result
    throw await rollBack(target, { old, written, hosts, checks, onRolledBack, signal }, error)
  }
}
