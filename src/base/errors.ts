import { exitCodeOf, type errorKinds } from "./errors/table.ts"

/**
 * The errors that Purser raises on purpose. Whatever a user, a peer or the
 * machine can cause is a `PurserError` with a code from `errors/table.ts`; a
 * caller's programming mistake is a `TypeError`. A message may never hold the
 * value of a secret.
 */

export type ErrorCode = keyof typeof errorKinds

export interface ErrorDetails {
  /** The next step in one line, shown after `hint:`. */
  hint?: string | undefined
  cause?: unknown
}

/** An error with a code. Its message is lower case, without a full stop, and names the object that failed. */
export class PurserError extends Error {
  override readonly name = "PurserError"
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
  }

  get exitCode(): number {
    return exitCodeOf(this.code)
  }
}

/** Returns whether the error is a `PurserError`, and has this code if one is given. */
export function isPurserError(error: unknown, code?: ErrorCode): error is PurserError {
  return error instanceof PurserError && (code === undefined || error.code === code)
}

/**
 * Turns any thrown value into a `PurserError`: an abort or a timeout by its name, and everything else into a defect.
 */
export function asPurserError(error: unknown): PurserError {
  if (error instanceof PurserError) return error
  if (error instanceof Error && error.name === "TimeoutError") {
    return new PurserError("ERR_TIMEOUT", "the time limit was reached", { cause: error })
  }
  if (error instanceof Error && error.name === "AbortError") {
    return new PurserError("ERR_INTERRUPTED", "interrupted", { cause: error })
  }
  return new PurserError("ERR_INTERNAL", reasonOf(error), { cause: error })
}

/** Returns the `code` of a Node system error (`ENOENT`, `ECONNREFUSED`), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
}

/** Returns the message of any thrown value, for the end of one of our own messages. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
