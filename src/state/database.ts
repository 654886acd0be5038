import type { DatabaseSync, StatementSync } from "node:sqlite"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

/** What the parts of the state have in common: the database, its statements, transactions, and what tells of changes. */
export class StateDatabase {
  readonly #sqlite: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(sqlite: DatabaseSync) {
    this.#sqlite = sqlite
  }

  get isOpen(): boolean {
    return this.#sqlite.isOpen
  }

  close(): void {
    this.#statements.clear()
    this.#sqlite.close()
  }

  prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#sqlite.prepare(sql)
    this.#statements.set(sql, known)
    return known
  }

  run(sql: string, ...values: (string | number | null | Uint8Array)[]): void {
    this.prepare(sql).run(...values)
  }

  /** Throws `ERR_STATE` when the database cannot be written: a full disk, or another process that does not let go. */
  transaction<T>(work: () => T): T {
    if (this.#sqlite.isTransaction) return work()
    try {
      this.#sqlite.exec("BEGIN IMMEDIATE")
      const result = work()
      this.#sqlite.exec("COMMIT")
      return result
    } catch (error) {
      // SQLite has done so itself after some errors, such as a full disk.
      if (this.#sqlite.isTransaction) this.#sqlite.exec("ROLLBACK")
      if (systemErrorCode(error) !== "ERR_SQLITE_ERROR") throw error
      throw new PurserError("ERR_STATE", `cannot write the state: ${reasonOf(error)}`, { cause: error })
    }
  }

  /** Zero while it was never set. */
  number(name: string): number {
    return Number(this.prepare("SELECT value FROM numbers WHERE name = ?").get(name)?.["value"] ?? 0)
  }

  setNumber(name: string, value: number): void {
    this.run(
      "INSERT INTO numbers (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      name,
      value,
    )
  }

  /** Changes when a command decided something that a running agent should act on. */
  revision(): number {
    return this.number("revision")
  }

  bumpRevision(): void {
    this.setNumber("revision", this.revision() + 1)
  }
}
