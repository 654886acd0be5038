import { randomBytes } from "node:crypto"
import type { StateDatabase } from "./database.ts"

/** Keys of this state directory that never leave it. */
export class StoredKeys {
  readonly #database: StateDatabase
  #content: Buffer | undefined

  constructor(database: StateDatabase) {
    this.#database = database
  }

  /** 32 bytes with which the audit log tags contents. Made by the first process that asks. */
  content(): Uint8Array {
    return (this.#content ??= this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO keys (name, bytes) VALUES ('content', ?) ON CONFLICT DO NOTHING",
        randomBytes(32),
      )
      const row = this.#database.prepare("SELECT bytes FROM keys WHERE name = 'content'").get()
      return Buffer.from(row?.["bytes"] as Uint8Array)
    }))
  }
}
