import { PurserError, reasonOf } from "../base/errors.ts"
import { exitCodeOf } from "../base/errors/table.ts"
import { escapeForTerminal } from "../base/escape.ts"

export interface ReportOptions {
  stderr: { write(text: string): unknown }
  json: boolean
  /** Prints causes and stacks too. */
  verbose: boolean
}

/** A further problem that the error reports, such as the second bad line of a file. */
interface Problem {
  readonly message: string
  readonly hint?: string | undefined
}

/** Writes `purser: message` and `hint: …`, or with `--json` one object, and returns the exit code. */
export function reportError(error: unknown, { stderr, json, verbose }: ReportOptions): number {
  const known = error instanceof PurserError
  const code = known ? error.code : "ERR_INTERNAL"
  const message = known ? error.message : `unexpected: ${reasonOf(error)}`
  const hint = known ? error.hint : "this is a bug; run it again with --verbose and report the output"
  const others = known && "others" in error ? (error.others as readonly Problem[]) : []
  if (json) {
    const stack = verbose && error instanceof Error ? { stack: error.stack } : {}
    const more = others.length > 0 ? { others } : {}
    stderr.write(`${JSON.stringify({ error: code, message, hint, ...more, ...stack })}\n`)
  } else {
    for (const problem of [{ message, hint }, ...others]) {
      stderr.write(`purser: ${escapeForTerminal(problem.message)}\n`)
      if (problem.hint !== undefined) stderr.write(`hint: ${escapeForTerminal(problem.hint)}\n`)
    }
    if (verbose) for (const line of causes(error, known)) stderr.write(`${line}\n`)
  }
  return exitCodeOf(code)
}

function causes(error: unknown, known: boolean): string[] {
  if (!(error instanceof Error)) return []
  const own = known ? [] : (error.stack ?? "").split("\n").slice(1)
  const cause =
    error.cause === undefined ? [] : [`cause: ${reasonOf(error.cause)}`, ...causes(error.cause, true)]
  return [...own, ...cause].map(escapeForTerminal)
}
