import type { Sqlite } from "../base/sqlite.ts"

/** Single numbers by name. */
export class NumberStore {
  readonly #database: Sqlite

  constructor(database: Sqlite) {
    this.#database = database
  }

  /** Zero while it was never set. */
  get(name: string): number {
    return this.#database.get<{ value: number }>("SELECT value FROM numbers WHERE name = ?", name)?.value ?? 0
  }

  set(name: string, value: number): void {
    this.#database.run(
      "INSERT INTO numbers (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      name,
      value,
    )
  }
}
