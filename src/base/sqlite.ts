import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "./errors.ts"

/**
 * A SQLite database whose statements are prepared once, whose transactions join each other, and whose errors are the
 * caller's own. It knows no table.
 */

/** How long a statement waits for another process's transaction. */
const busyMs = 5000

export interface SqliteFailure {
  /** `open` while the database is being prepared. A read within a transaction counts as a part of the write. */
  readonly operation: "open" | "read" | "write"
  /** The file is not what it should be: no database, torn pages, or a table or number that is not as we make them. */
  readonly isDamage: boolean
  readonly reason: string
  readonly cause: unknown
}

export interface SqliteOptions {
  /** Runs before anybody uses the database, which is closed again when this throws. */
  prepare: (database: Sqlite) => void
  /** The error that the caller's own callers get. */
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

  /** Makes an empty file where there is none. Whatever goes wrong is an `open` failure, or `prepare`'s own error. */
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

  /** Runs one statement. Returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#guard("write", () => Number(this.#statement(sql).run(...values).changes))
  }

  /** The first row, as `Row` has its columns. */
  get<Row = Record<string, SQLOutputValue>>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row = this.#guard("read", () => this.#statement(sql).get(...values))
    return row === undefined ? undefined : ({ ...row } as Row)
  }

  /** All rows, as `Row` has their columns. */
  all<Row = Record<string, SQLOutputValue>>(sql: string, ...values: SQLInputValue[]): Row[] {
    const rows = this.#guard("read", () => this.#statement(sql).all(...values))
    return rows.map((row) => ({ ...row }) as Row)
  }

  /** Runs a script: several statements without values. */
  exec(sql: string): void {
    this.#guard("write", () => this.#sqlite.exec(sql))
  }

  /** The value of `PRAGMA name`, for example of `user_version` or `quick_check(1)`. */
  pragma(name: string): SQLOutputValue | undefined {
    return Object.values(this.get(`PRAGMA ${name}`) ?? {})[0]
  }

  /**
   * Runs `work` while no other process writes, and keeps all of it or nothing. Within another transaction it is a
   * part of that one.
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
        // SQLite has done so itself after some errors, such as a full disk.
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
      // While it is being opened, `open` says what went wrong.
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

/** Loaded by the first database that is opened, so that commands without one do not pay for it. */
export function loadSqlite(): typeof import("node:sqlite") {
  return process.getBuiltinModule("node:sqlite")
}

/** `ERR_OUT_OF_RANGE` is Node's own, for a number in a column that JavaScript cannot hold. */
function isSqliteError(error: unknown): boolean {
  const code = systemErrorCode(error)
  return code === "ERR_SQLITE_ERROR" || code === "ERR_OUT_OF_RANGE"
}

/** SQLite's result codes: SQL error (a table is missing), CORRUPT, NOTADB. */
const damage = new Set([1, 11, 26])

function isDamage(error: unknown): boolean {
  if (systemErrorCode(error) === "ERR_OUT_OF_RANGE") return true
  return error instanceof Error && "errcode" in error && damage.has(Number(error.errcode) & 0xff)
}
