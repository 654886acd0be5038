import type { Sqlite } from "../base/sqlite.ts"
import { createToken } from "../channel/enrolment.ts"
import { LatestTime, type Clocks } from "./latest-time.ts"
import { Revision } from "./revision.ts"

interface Token {
  readonly token: Buffer
  readonly expires: number | null
}

/** The enrolment tokens of apps, and the times at which replaced ones expire. */
export class TokenStore {
  readonly #database: Sqlite
  readonly #revision: Revision
  readonly #time: LatestTime
  readonly #now: () => number
  readonly #byApp = new Map<string, readonly Token[]>()
  #readAtRevision = 0

  constructor(database: Sqlite, clocks: Clocks) {
    this.#database = database
    this.#revision = new Revision(database)
    this.#time = new LatestTime(database, clocks)
    this.#now = clocks.now
  }

  /** Returns the app's current token, and creates it if it is missing. */
  current(app: string): Buffer {
    return this.#database.transaction(() => this.#findCurrent(app) ?? this.#add(app))
  }

  /** Creates and returns a new token; previous ones stay valid for `overlapMs`. */
  rotate(app: string, overlapMs: number): Buffer {
    return this.#database.transaction(() => {
      // Expired tokens are deleted before the reset, so that they stay expired. The reset makes the overlap count from
      // the wall clock: if that was ahead once, an overlap counted from the latest time would last for years.
      this.#database.run("DELETE FROM tokens WHERE expires <= ?", this.#time.get())
      const until = this.#time.reset() + overlapMs
      this.#database.run(
        "UPDATE tokens SET expires = ?1 WHERE app = ?2 AND (expires IS NULL OR expires > ?1)",
        until,
        app,
      )
      return this.#add(app)
    })
  }

  /** Deletes every token of the app at once. Returns their number. */
  revoke(app: string): number {
    return this.#database.transaction(() => {
      this.#revision.bump()
      return this.#database.run("DELETE FROM tokens WHERE app = ?", app)
    })
  }

  /**
   * Returns the valid tokens, newest first. The buffers stay the same until a change, so that callers can cache derived
   * keys.
   */
  valid(app: string): readonly Buffer[] {
    const now = this.#time.get()
    const tokens = this.#read(app)
    const valid = tokens.filter(({ expires }) => expires === null || expires > now)
    if (valid.length < tokens.length) {
      // Expired tokens are deleted, so that they stay expired even if the clock is set back.
      this.#database.run("DELETE FROM tokens WHERE app = ? AND expires <= ?", app, now)
      this.#byApp.set(app, valid)
    }
    return valid.map(({ token }) => token)
  }

  /** Returns the app's tokens. They are read again after any process changed the revision. */
  #read(app: string): readonly Token[] {
    const revision = this.#revision.get()
    if (revision !== this.#readAtRevision) this.#byApp.clear()
    this.#readAtRevision = revision
    const known = this.#byApp.get(app)
    if (known !== undefined) return known
    const sql = "SELECT token, expires FROM tokens WHERE app = ? ORDER BY id DESC"
    const rows = this.#database.all<{ token: Uint8Array; expires: number | null }>(sql, app)
    const tokens = rows.map(({ token, expires }) => ({ token: Buffer.from(token), expires }))
    this.#byApp.set(app, tokens)
    return tokens
  }

  #findCurrent(app: string): Buffer | undefined {
    const sql = "SELECT token FROM tokens WHERE app = ? AND expires IS NULL ORDER BY id DESC LIMIT 1"
    const row = this.#database.get<{ token: Uint8Array }>(sql, app)
    return row === undefined ? undefined : Buffer.from(row.token)
  }

  #add(app: string): Buffer {
    const token = createToken()
    this.#database.run("INSERT INTO tokens (app, token, created) VALUES (?, ?, ?)", app, token, this.#now())
    this.#revision.bump()
    return token
  }
}
