/**
 * The one way to the terminal. Results go to stdout, everything else to stderr;
 * with `--json` each is one JSON object a line. Control characters are made
 * visible, whoever wrote them, so that callers need not think of it.
 */
export interface Output {
  readonly json: boolean
  /** Whether stdout and stderr are terminals, so that a live display makes sense. */
  readonly isTerminal: boolean
  /** On a terminal, unless NO_COLOR is set or TERM is dumb. */
  readonly color: boolean
  /** One result: `text` (may have several lines), or with `--json` the object. */
  result(object: object, text: string): void
  /** Many results: a table with these columns, or with `--json` an object a line. */
  table<T extends object>(rows: readonly T[], columns: readonly Column<T>[]): void
  /** Bytes exactly as they are, on stdout. */
  bytes(bytes: Uint8Array): Promise<void>
  /** Something worth knowing, on stderr. */
  note(text: string): void
  /** Something to mend, on stderr, with its next step. */
  warn(text: string, hint?: string): void
}

export interface Column<T> {
  readonly title: string
  readonly value: (row: T) => string
  readonly align?: "left" | "right"
}
