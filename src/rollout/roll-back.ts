import { PurserError, asPurserError } from "../base/errors.ts"
import { type Check } from "./check.ts"
import type { RolloutFile, RolloutTarget, WrittenFiles } from "./target.ts"
import { leavesAmong, type ExpectedLeaves } from "./leaf.ts"
import { checkAll } from "./check-served.ts"

export interface RollBack {
  /** The old files, by path. */
  readonly old: ReadonlyMap<string, RolloutFile>
  /** The paths that the rollout has written. */
  readonly written: readonly string[]
  readonly checks: readonly Check[]
  readonly hosts: readonly string[]
  readonly onRolledBack: ((names: readonly string[], error: PurserError) => Promise<void>) | undefined
  readonly signal: AbortSignal
}

/**
 * Puts the old files back, removes the added ones, reloads and checks again. Resolves with the `ERR_CHECK` to throw,
 * whose message is that of `cause` and the result of the roll-back. Rejects only when aborted.
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
    return failed(`${target.oldFiles} could not be put back and reloaded: ${asPurserError(error).message}`)
  }
  let expected: ExpectedLeaves
  try {
    expected = leavesAmong(checks, [...old.values()])
  } catch {
    return failed("the old files are back, but hold no certificate to check")
  }
  try {
    await checkAll(expected, hosts, signal)
  } catch (error) {
    signal.throwIfAborted()
    return failed(`the old files are back, but are not served either: ${asPurserError(error).message}`)
  }
  return failed("the old files are back and served")
}
