import { createToken } from "../channel/enrolment.ts"
import type { StateDatabase } from "./database.ts"

/** The enrolment tokens of apps, and until when those that were replaced stay good. */

interface Token {
  readonly token: Buffer
  readonly expires: number | null
}

export interface Clocks {
  /** What the wall clock says; it may be set back or ahead at any time. */
  now: () => number
  /** Never goes back, and begins anywhere. Milliseconds, like `now`. */
  uptime: () => number
}

export class TokenStore {
  readonly #database: StateDatabase
  readonly #now: () => number
  readonly #uptime: () => number
  readonly #byApp = new Map<string, readonly Token[]>()
  #revision = 0
  /** The latest time that was seen. */
  #latest = 0
  /** Uptime at which that was so, and what of it is in the database. */
  #latestAt = 0
  #latestWritten = 0

  constructor(database: StateDatabase, { now, uptime }: Clocks) {
    this.#database = database
    this.#now = now
    this.#uptime = uptime
  }

  /** The app's current token; makes one when there is none. */
  current(app: string): Buffer {
    return this.#database.transaction(() => this.#currentToken(app) ?? this.#addToken(app))
  }

  /** A new token; those before stay good for `overlapMs`. */
  rotate(app: string, overlapMs: number): Buffer {
    return this.#database.transaction(() => {
      // What is over stays over. From here on the clock counts as whoever rotates sees it: had it been ahead once,
      // an overlap reckoned from there would not end for years.
      this.#database.run("DELETE FROM tokens WHERE expires <= ?", this.#time())
      const now = this.#now()
      // To the millisecond, so that setting the clock back right after cannot stretch it.
      this.#database.setNumber("latest", now)
      const until = now + overlapMs
      this.#database.run(
        "UPDATE tokens SET expires = ? WHERE app = ? AND (expires IS NULL OR expires > ?)",
        until,
        app,
        until,
      )
      return this.#addToken(app)
    })
  }

  /** Ends every token of the app at once. Returns how many there were. */
  revoke(app: string): number {
    return this.#database.transaction(() => {
      this.#database.bumpRevision()
      return Number(this.#database.prepare("DELETE FROM tokens WHERE app = ?").run(app).changes)
    })
  }

  /** All that are valid now, the newest first. The same buffers as long as nothing changes: keys derived from them are kept by whoever derives. */
  valid(app: string): readonly Buffer[] {
    const now = this.#time()
    const tokens = this.#read(app)
    const good = tokens.filter(({ expires }) => expires === null || expires > now)
    if (good.length < tokens.length) {
      // Once over is over, whatever the clock says next.
      this.#database.run("DELETE FROM tokens WHERE app = ? AND expires <= ?", app, now)
      this.#byApp.set(app, good)
    }
    return good.map(({ token }) => token)
  }

  /** Read again as soon as any process changed something. */
  #read(app: string): readonly Token[] {
    const revision = this.#database.revision()
    if (revision !== this.#revision) this.#byApp.clear()
    this.#revision = revision
    const known = this.#byApp.get(app)
    if (known !== undefined) return known
    const rows = this.#database
      .prepare("SELECT token, expires FROM tokens WHERE app = ? ORDER BY id DESC")
      .all(app)
    const tokens = rows.map(({ token, expires }) => ({
      token: Buffer.from(token as Uint8Array),
      expires: expires as number | null,
    }))
    this.#byApp.set(app, tokens)
    return tokens
  }

  #currentToken(app: string): Buffer | undefined {
    const row = this.#database
      .prepare("SELECT token FROM tokens WHERE app = ? AND expires IS NULL ORDER BY id DESC LIMIT 1")
      .get(app)
    return row === undefined ? undefined : Buffer.from(row["token"] as Uint8Array)
  }

  #addToken(app: string): Buffer {
    const token = createToken()
    this.#database.run("INSERT INTO tokens (app, token, created) VALUES (?, ?, ?)", app, token, this.#now())
    this.#database.bumpRevision()
    return token
  }

  /**
   * The latest time that was seen here, and how long this process has run since: a clock that is set back, by accident
   * or to keep an old token alive, counts for nothing. One that jumps ahead ends overlaps early, which refuses and
   * never admits.
   */
  #time(): number {
    const written = this.#database.number("latest")
    // Only a rotation sets it back.
    if (written < this.#latestWritten) this.#latest = 0
    const uptime = Math.floor(this.#uptime())
    this.#latest = Math.max(this.#latest + uptime - this.#latestAt, written, this.#now())
    this.#latestAt = uptime
    this.#latestWritten = written
    // To the minute, so that reading a token does not mean writing.
    if (this.#latest > written + 60_000) {
      this.#database.setNumber("latest", this.#latest)
      this.#latestWritten = this.#latest
    }
    return this.#latest
  }
}
