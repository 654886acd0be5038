import { PurserError, asPurserError } from "../base/errors.ts"
import { type Check } from "./check.ts"
import type { RolloutFile, RolloutTarget, WrittenFiles } from "./target.ts"
import { leavesAmong, type ExpectedLeaves } from "./leaf.ts"
import { checkAll } from "./check-served.ts"

export interface RollBack {
  /** The files that were there before, by path. */
  readonly old: ReadonlyMap<string, RolloutFile>
  /** Paths that are new. */
  readonly written: readonly string[]
  readonly checks: readonly Check[]
  readonly hosts: readonly string[]
  readonly onRolledBack: ((names: readonly string[], error: PurserError) => Promise<void>) | undefined
  readonly signal: AbortSignal
}

/**
 * Puts the old files back, removes those that were added, reloads and checks again. Resolves with the error to throw:
 * `cause`, and whether the old files are served. Rejects only when aborted.
 */
export async function rollBack(
  target: RolloutTarget<WrittenFiles>,
  { old, written, checks, hosts, onRolledBack, signal }: RollBack,
  cause: PurserError,
): Promise<PurserError> {
  const failed = (what: string): PurserError =>
    new PurserError("ERR_CHECK", `${cause.message}; ${what}`, { cause, hint: cause.hint })
  const before = written.flatMap((path) => old.get(path) ?? [])
  if (before.length === 0) return failed(target.nothingBefore)
  try {
    await target.write(before, async () => {})
    await target.remove(written.filter((path) => !old.has(path)))
    await onRolledBack?.(
      before.map(({ name }) => name),
      cause,
    )
    await target.reload()
    await target.clearPending?.()
  } catch (error) {
    signal.throwIfAborted()
    return failed(
      `and ${target.oldFiles} could not be put back and reloaded: ${asPurserError(error).message}`,
    )
  }
  let expected: ExpectedLeaves
  try {
    expected = leavesAmong(checks, [...old.values()])
  } catch {
    return failed("the old files are back, which hold no certificate to check")
  }
  try {
    await checkAll(expected, hosts, signal)
  } catch (error) {
    signal.throwIfAborted()
    return failed(`the old files are back, and are not served either: ${asPurserError(error).message}`)
  }
  return failed("the old files are back, and served")
}
