import type { Sqlite } from "../base/sqlite.ts"

/** Named numbers. */
export class NumberStore {
  readonly #database: Sqlite

  constructor(database: Sqlite) {
    this.#database = database
  }

  /** Returns the number, or zero if it was never set. */
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
