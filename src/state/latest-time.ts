import type { Sqlite } from "../base/sqlite.ts"
import { NumberStore } from "./numbers.ts"

export interface Clocks {
  /** The wall clock, in milliseconds since 1970; it may be set back or ahead at any time. */
  now: () => number
  /** A monotonic clock with any origin, in milliseconds. */
  uptime: () => number
}

/**
 * A clock that never goes back: the latest time ever seen in this state directory, plus the time that this process has
 * run since. A wall clock that is set back, by accident or to keep an old token valid, therefore has no effect. A wall
 * clock that jumps ahead expires tokens early, which can only refuse a node and never admit one.
 */
export class LatestTime {
  readonly #numbers: NumberStore
  readonly #clocks: Clocks
  #latest = 0
  /** `#latestAt` is the uptime at which `#latest` was computed, `#written` the time in the database. */
  #latestAt = 0
  #written = 0

  constructor(database: Sqlite, clocks: Clocks) {
    this.#numbers = new NumberStore(database)
    this.#clocks = clocks
  }

  get(): number {
    const written = this.#numbers.get("latest")
    // The time in the database goes back only by `reset`.
    if (written < this.#written) this.#latest = 0
    const uptime = Math.floor(this.#clocks.uptime())
    this.#latest = Math.max(this.#latest + uptime - this.#latestAt, written, this.#clocks.now())
    this.#latestAt = uptime
    this.#written = written
    // Written once a minute, so that most reads of a token cause no write.
    if (this.#latest > written + 60_000) {
      this.#numbers.set("latest", this.#latest)
      this.#written = this.#latest
    }
    return this.#latest
  }

  /**
   * Restarts from the wall clock, for every process. Returns that time. It is written exactly, so that setting the
   * clock back afterwards has no effect.
   */
  reset(): number {
    const now = this.#clocks.now()
    this.#numbers.set("latest", now)
    return now
  }
}
