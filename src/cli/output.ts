import { escapeForTerminal } from "../base/escape.ts"

/**
 * The output of every command. Results go to stdout, everything else to stderr;
 * with `--json` each is one JSON object per line. Escapes control characters in
 * all text, so that callers need not.
 */
export interface Output {
  readonly json: boolean
  /** Whether stdout and stderr are terminals, so that a live display makes sense. */
  readonly isTerminal: boolean
  /** Whether to print colours: on a terminal, unless NO_COLOR is set or TERM is dumb. */
  readonly color: boolean
  /** Prints one result: `text`, which may have several lines, or with `--json` the object. */
  result(object: object, text: string): void
  /** Prints many results: a table with these columns, or with `--json` one object per line. */
  table<T extends object>(rows: readonly T[], columns: readonly Column<T>[]): void
  /** Writes bytes unchanged to stdout. */
  bytes(bytes: Uint8Array): Promise<void>
  /** Prints a note on stderr. */
  note(text: string): void
  /** Prints a warning on stderr, with a hint for the next step. */
  warn(text: string, hint?: string): void
}

export interface Column<T> {
  readonly title: string
  readonly value: (row: T) => string
  readonly align?: "left" | "right"
}

export interface OutputOptions {
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  env: NodeJS.ProcessEnv
  json: boolean
}

export function createOutput({ stdout, stderr, env, json }: OutputOptions): Output {
  const say = (level: "info" | "warn", message: string, hint?: string): void => {
    if (json) {
      const time = new Date().toISOString()
      stderr.write(`${JSON.stringify({ time, level, message, ...(hint === undefined ? {} : { hint }) })}\n`)
    } else {
      stderr.write(
        `purser: ${level === "warn" ? "warning: " : ""}${escapeLines(message)}\n${hint === undefined ? "" : `hint: ${escapeLines(hint)}\n`}`,
      )
    }
  }
  const isTerminal = stdout.isTTY && stderr.isTTY
  return {
    json,
    isTerminal,
    color: isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
    result(object, text) {
      stdout.write(json ? `${JSON.stringify(object)}\n` : `${escapeLines(text)}\n`)
    },
    table(rows, columns) {
      if (json) for (const row of rows) stdout.write(`${JSON.stringify(row)}\n`)
      else if (rows.length > 0) stdout.write(tableOf(rows, columns))
    },
    async bytes(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      stdout.write(bytes, () => resolve())
      await promise
    },
    note: (text) => say("info", text),
    warn: (text, hint) => say("warn", text, hint),
  }
}

/** Escapes all but line breaks, which are the caller's own: a peer's text is quoted, or one cell of a table. */
function escapeLines(text: string): string {
  return text.split("\n").map(escapeForTerminal).join("\n")
}

function tableOf<T extends object>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => escapeForTerminal(value(row)))),
  ]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)))
  const padded = (text: string, index: number): string => {
    const width = widths[index] ?? 0
    return columns[index]?.align === "right" ? text.padStart(width) : text.padEnd(width)
  }
  return cells.map((line) => `${line.map(padded).join("  ").trimEnd()}\n`).join("")
}
