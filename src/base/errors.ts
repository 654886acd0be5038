import { exitCodeOf, type errorKinds } from "./errors/table.ts"

/**
 * Every error that Purser raises on purpose. A caller's own programming mistake
 * is a `TypeError`; everything a user, a peer or the machine can cause is a
 * `PurserError` with a code out of the table in `errors/table.ts`.
 */

export type ErrorCode = keyof typeof errorKinds

export interface ErrorDetails {
  /** The next step, one line, shown after `hint:`. */
  hint?: string | undefined
  cause?: unknown
}

/** Messages: lower case, no full stop, name the object, never the value of a secret. */
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

/** True for a `PurserError`, with this code if one is given. */
export function isPurserError(error: unknown, code?: ErrorCode): error is PurserError {
  return error instanceof PurserError && (code === undefined || error.code === code)
}

/** Anything that was thrown, as one of ours: what is not is a defect, or an abort. */
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

/** The `code` of a Node system error (`ENOENT`, `ECONNREFUSED`), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
}

/** The message of anything that was thrown, for the end of one of our own messages. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
