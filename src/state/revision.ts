import type { Sqlite } from "../base/sqlite.ts"
import { NumberStore } from "./numbers.ts"

/** Counts the decisions of commands that a running agent should act on. */
export class Revision {
  readonly #numbers: NumberStore

  constructor(database: Sqlite) {
    this.#numbers = new NumberStore(database)
  }

  get(): number {
    return this.#numbers.get("revision")
  }

  /** Counts one decision. It must be called in the transaction that writes the decision. */
  bump(): void {
    this.#numbers.set("revision", this.get() + 1)
  }
}
