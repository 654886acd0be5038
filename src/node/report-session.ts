import { isPurserError, reasonOf } from "../base/errors.ts"
import { errorFields, type Log } from "../base/log.ts"

/** Runs one session, logs its error, and calls `onSession` with the error or null. Never rejects. */
export async function reportSession(
  { remoteAddress }: { readonly remoteAddress: string },
  log: Log,
  onSession: ((error: unknown) => void) | undefined,
  run: () => Promise<void>,
): Promise<void> {
  // Called in a later turn, when only the connection has to close, because `onSession` may end the node and must not
  // cut off the session's last frame.
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
