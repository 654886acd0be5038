import { randomBytes } from "node:crypto"
import type { Sqlite } from "../base/sqlite.ts"

/** Keys of this state directory that never leave it. */
export class StoredKeys {
  readonly #database: Sqlite
  #content: Buffer | undefined

  constructor(database: Sqlite) {
    this.#database = database
  }

  /** 32 bytes with which the audit log tags contents. Made by the first process that asks. */
  content(): Uint8Array {
    return (this.#content ??= this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO keys (name, bytes) VALUES ('content', ?) ON CONFLICT DO NOTHING",
        randomBytes(32),
      )
      const row = this.#database.get<{ bytes: Uint8Array }>("SELECT bytes FROM keys WHERE name = 'content'")
      if (row === undefined) throw new TypeError("the key was written a moment ago")
      return Buffer.from(row.bytes)
    }))
  }
}
