import type { Sqlite } from "../base/sqlite.ts"
import { NumberStore } from "./numbers.ts"

export interface Clocks {
  /** The wall clock, in milliseconds since 1970; it may be set back or ahead at any time. */
  now: () => number
  /** Never goes back, and begins anywhere. Milliseconds, like `now`. */
  uptime: () => number
}

/**
 * The latest time that was seen here, and how long this process has run since: a clock that is set back, by accident
 * or to keep an old token alive, counts for nothing. One that jumps ahead ends overlaps early, which refuses and
 * never admits.
 */
export class LatestTime {
  readonly #numbers: NumberStore
  readonly #clocks: Clocks
  #latest = 0
  /** The uptime at which that was so, and the time that the database holds. */
  #latestAt = 0
  #written = 0

  constructor(database: Sqlite, clocks: Clocks) {
    this.#numbers = new NumberStore(database)
    this.#clocks = clocks
  }

  get(): number {
    const written = this.#numbers.get("latest")
    // Only `reset` sets it back.
    if (written < this.#written) this.#latest = 0
    const uptime = Math.floor(this.#clocks.uptime())
    this.#latest = Math.max(this.#latest + uptime - this.#latestAt, written, this.#clocks.now())
    this.#latestAt = uptime
    this.#written = written
    // To the minute, so that reading a token does not mean writing.
    if (this.#latest > written + 60_000) {
      this.#numbers.set("latest", this.#latest)
      this.#written = this.#latest
    }
    return this.#latest
  }

  /** Counts from the wall clock again, for every process. Exact, so that setting the clock back right after changes nothing. */
  reset(): number {
    const now = this.#clocks.now()
    this.#numbers.set("latest", now)
    return now
  }
}
