import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "./errors.ts"

/**
 * A SQLite database that prepares each statement once, joins nested transactions, and turns errors into the caller's
 * own. It may not know any table.
 */

/** How long a statement waits for another process's transaction. */
const busyMs = 5000

export interface SqliteFailure {
  /** `open` until the database is prepared. A read within a transaction counts as a write. */
  readonly operation: "open" | "read" | "write"
  /**
   * Whether the file is damaged: it is no database, has torn pages, or lacks a table or holds a number that we never
   * write.
   */
  readonly isDamage: boolean
  readonly reason: string
  readonly cause: unknown
}

export interface SqliteOptions {
  /** Prepares the database before its first use. If it throws, the database is closed. */
  prepare: (database: Sqlite) => void
  /** Returns the error to throw for a failure. */
  asError: (failure: SqliteFailure) => PurserError
}

export class Sqlite implements Disposable {
  readonly #sqlite: DatabaseSync
  readonly #asError: SqliteOptions["asError"]
  readonly #statements = new Map<string, StatementSync>()
  #isPrepared = false

  private constructor(sqlite: DatabaseSync, asError: SqliteOptions["asError"]) {
    this.#sqlite = sqlite
    this.#asError = asError
  }

  /**
   * Opens a database; a missing file is created empty. Throws `asError` of an `open` failure, or a PurserError of
   * `prepare`.
   */
  static open(file: string, { prepare, asError }: SqliteOptions): Sqlite {
    let opened: Sqlite | undefined
    try {
      const { DatabaseSync } = loadSqlite()
      opened = new Sqlite(new DatabaseSync(file, { timeout: busyMs }), asError)
      prepare(opened)
      opened.#isPrepared = true
      return opened
    } catch (error) {
      opened?.[Symbol.dispose]()
      if (isPurserError(error)) throw error
      throw asError({ operation: "open", isDamage: isDamage(error), reason: reasonOf(error), cause: error })
    }
  }

  get isOpen(): boolean {
    return this.#sqlite.isOpen
  }

  /** Runs one statement. Returns the number of changed rows. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#guard("write", () => Number(this.#statement(sql).run(...values).changes))
  }

  /** Returns the first row, whose columns must be those of `Row`, or undefined. */
  get<Row = Record<string, SQLOutputValue>>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row = this.#guard("read", () => this.#statement(sql).get(...values))
    return row === undefined ? undefined : ({ ...row } as Row)
  }

  /** Returns all rows, whose columns must be those of `Row`. */
  all<Row = Record<string, SQLOutputValue>>(sql: string, ...values: SQLInputValue[]): Row[] {
    const rows = this.#guard("read", () => this.#statement(sql).all(...values))
    return rows.map((row) => ({ ...row }) as Row)
  }

  /** Runs a script: several statements without values. */
  exec(sql: string): void {
    this.#guard("write", () => this.#sqlite.exec(sql))
  }

  /** Returns the value of `PRAGMA name`, for example of `user_version` or `quick_check(1)`. */
  pragma(name: string): SQLOutputValue | undefined {
    return Object.values(this.get(`PRAGMA ${name}`) ?? {})[0]
  }

  /**
   * Runs `work` in a transaction that excludes other writers, and rolls it back if `work` throws. Within another
   * transaction, `work` becomes a part of that one.
   */
  transaction<T>(work: () => T): T {
    if (this.#sqlite.isTransaction) return work()
    return this.#guard("write", () => {
      this.#sqlite.exec("BEGIN IMMEDIATE")
      try {
        const result = work()
        this.#sqlite.exec("COMMIT")
        return result
      } catch (error) {
        // SQLite has already rolled back after some errors, such as a full disk.
        if (this.#sqlite.isTransaction) this.#sqlite.exec("ROLLBACK")
        throw error
      }
    })
  }

  [Symbol.dispose](): void {
    this.#statements.clear()
    if (this.#sqlite.isOpen) this.#sqlite.close()
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#sqlite.prepare(sql)
    this.#statements.set(sql, known)
    return known
  }

  #guard<T>(operation: "read" | "write", work: () => T): T {
    const isPart = this.#sqlite.isOpen && this.#sqlite.isTransaction
    try {
      return work()
    } catch (error) {
      // Until the database is prepared, `open` reports the failure.
      if (!this.#isPrepared || !isSqliteError(error)) throw error
      throw this.#asError({
        operation: isPart ? "write" : operation,
        isDamage: isDamage(error),
        reason: reasonOf(error),
        cause: error,
      })
    }
  }
}

/** Loads node:sqlite when the first database is opened, so that commands without a database do not pay for it. */
export function loadSqlite(): typeof import("node:sqlite") {
  return process.getBuiltinModule("node:sqlite")
}

/**
 * Returns whether an error comes from SQLite. Node throws `ERR_OUT_OF_RANGE` for a column's number that JavaScript
 * cannot hold.
 */
function isSqliteError(error: unknown): boolean {
  const code = systemErrorCode(error)
  return code === "ERR_SQLITE_ERROR" || code === "ERR_OUT_OF_RANGE"
}

/** SQLite's result codes for damage: ERROR (a missing table), CORRUPT and NOTADB. */
const damage = new Set([1, 11, 26])

function isDamage(error: unknown): boolean {
  if (systemErrorCode(error) === "ERR_OUT_OF_RANGE") return true
  return error instanceof Error && "errcode" in error && damage.has(Number(error.errcode) & 0xff)
}
