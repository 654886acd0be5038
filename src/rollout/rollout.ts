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
  /** Without any, nothing is checked, and nothing rolled back. */
  readonly checks: readonly Check[]
  /** Sets that failed are not tried again at once. */
  readonly failed?: FailedAt
  /** Called once, before the first name changes; not when nothing changes. */
  readonly beforeChange?: () => Promise<void>
  /** Decides, once the files are in place, whether the reload and the checks follow. Default: when one was written. */
  readonly onWritten?: (result: Result) => Promise<boolean>
  /** Called with the names of the files that are back, before their reload. */
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
 * Throws what the target throws, or `ERR_CHECK`: before anything changed where the set failed recently, cannot be
 * checked, or an old file cannot be kept; or afterwards, and then the old set is back, or the message says why not.
 * When aborted after the write, the new files stay.
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
