import { isPurserError, reasonOf } from "../base/errors.ts"
import { errorFields, type Log } from "../base/log.ts"

/** Runs one session, logs what went wrong, and tells `onSession` of its end. Never rejects. */
export async function reportSession(
  { remoteAddress }: { readonly remoteAddress: string },
  log: Log,
  onSession: ((error: unknown) => void) | undefined,
  run: () => Promise<void>,
): Promise<void> {
  // In a turn of its own, when the session is over and only its connection has to close: who ends the node there must
  // not cut off its last words.
  const report = (error: unknown): void => {
    if (onSession !== undefined) setImmediate(() => onSession(error))
  }
  try {
    await run()
    report(null)
  } catch (error) {
    log.error(
      `session with ${remoteAddress} failed: ${reasonOf(error)}`,
      isPurserError(error) ? errorFields(error) : {},
    )
    report(error)
  }
}
