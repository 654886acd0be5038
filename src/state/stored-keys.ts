import { randomBytes } from "node:crypto"
import type { Sqlite } from "../base/sqlite.ts"

/** The keys of this state directory, which never leave it. */
export class StoredKeys {
  readonly #database: Sqlite
  #content: Buffer | undefined

  constructor(database: Sqlite) {
    this.#database = database
  }

  /** Returns the 32 bytes with which the audit log tags contents. The first process that needs them creates them. */
  content(): Uint8Array {
    return (this.#content ??= this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO keys (name, bytes) VALUES ('content', ?) ON CONFLICT DO NOTHING",
        randomBytes(32),
      )
      const row = this.#database.get<{ bytes: Uint8Array }>("SELECT bytes FROM keys WHERE name = 'content'")
      if (row === undefined) throw new TypeError("the content key is missing although it was just written")
      return Buffer.from(row.bytes)
    }))
  }
}
