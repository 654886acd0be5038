import { backoffMs } from "../../base/backoff.ts"

/**
 * When which target is due, and how many are served at a time. A target that
 * fails is tried again after a growing delay; one that succeeds, after `everyMs`.
 * Targets that never succeeded get at most half of the slots, so that addresses
 * which only hold connections open (a lying discovery can name thousands) do
 * not starve those that are known to be good.
 */

export interface Pace {
  /** How many are served at a time. */
  readonly slots: number
  /** Between the end of one success and the next turn, in milliseconds; spread by a tenth. */
  readonly everyMs: number
  /** First and longest delay after failures, in milliseconds. */
  readonly retry: { readonly firstMs: number; readonly maxMs: number }
}

export interface ScheduleOptions<T> {
  /** Asked anew for each decision, since it may change. */
  pace: () => Pace
  /** Serves one target; resolves with whether it succeeded. Must not reject. */
  serve: (target: T) => Promise<boolean>
  /** Serve each once and do not come back. */
  once?: boolean
}

interface Entry<T> {
  readonly target: T
  /** Has succeeded before. */
  proven: boolean
  failures: number
  timer: NodeJS.Timeout | undefined
  running: boolean
  /** Became due while it was running: its turn comes again at once. */
  again: boolean
  removed: boolean
}

export class Schedule<T> {
  readonly #options: ScheduleOptions<T>
  readonly #entries = new Map<string, Entry<T>>()
  /** First in, first out; sets, since a removed target must leave its queue. */
  readonly #dueProven = new Set<Entry<T>>()
  readonly #dueNew = new Set<Entry<T>>()
  #running = 0
  #runningNew = 0
  #stopped = false
  #idle: PromiseWithResolvers<void> | undefined

  constructor(options: ScheduleOptions<T>) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** Adds a target, due at once. One that is there stays as it is. */
  add(key: string, target: T, { proven }: { proven: boolean }): void {
    if (this.#entries.has(key) || this.#stopped) return
    const entry: Entry<T> = {
      target,
      proven,
      failures: 0,
      timer: undefined,
      running: false,
      again: false,
      removed: false,
    }
    this.#entries.set(key, entry)
    this.#due(entry)
  }

  /** Forgets a target; a turn in progress ends in peace. */
  remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    entry.removed = true
    clearTimeout(entry.timer)
    this.#dueProven.delete(entry)
    this.#dueNew.delete(entry)
    this.#settleIdle()
  }

  /** Makes this target due at once. */
  makeDue(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#due(entry)
  }

  /** Makes every target due at once for which this holds. */
  dueNow(holds: (target: T) => boolean): void {
    for (const entry of this.#entries.values()) {
      if (holds(entry.target)) this.#due(entry)
    }
  }

  /** Makes every target due at once that waits because it failed. */
  retryNow(): void {
    for (const entry of this.#entries.values()) if (entry.failures > 0) this.#due(entry)
  }

  /** Key and target of each. Those that are there may be removed meanwhile. */
  *entries(): Generator<[string, T]> {
    for (const [key, { target }] of this.#entries) yield [key, target]
  }

  /** Starts nothing more. Resolves when nothing runs. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const key of this.#entries.keys()) this.remove(key)
    await this.idle()
  }

  /** Resolves when nothing runs and nothing is due. */
  async idle(): Promise<void> {
    if (this.#isIdle()) return
    this.#idle ??= Promise.withResolvers()
    await this.#idle.promise
  }

  #due(entry: Entry<T>): void {
    clearTimeout(entry.timer)
    if (entry.running) {
      entry.again = true
      return
    }
    ;(entry.proven ? this.#dueProven : this.#dueNew).add(entry)
    this.#startDue()
  }

  #startDue(): void {
    const { slots } = this.#options.pace()
    while (this.#running < slots) {
      const entry =
        first(this.#dueProven) ?? (this.#runningNew < Math.ceil(slots / 2) ? first(this.#dueNew) : undefined)
      if (entry === undefined) return
      this.#dueProven.delete(entry)
      this.#dueNew.delete(entry)
      void this.#serve(entry)
    }
  }

  async #serve(entry: Entry<T>): Promise<void> {
    const wasNew = !entry.proven
    this.#running++
    if (wasNew) this.#runningNew++
    entry.running = true
    const succeeded = await this.#options.serve(entry.target)
    entry.running = false
    this.#running--
    if (wasNew) this.#runningNew--
    if (succeeded) entry.proven = true
    entry.failures = succeeded ? 0 : entry.failures + 1
    if (!entry.removed) this.#arrange(entry)
    this.#startDue()
    this.#settleIdle()
  }

  #arrange(entry: Entry<T>): void {
    if (entry.again) {
      entry.again = false
      this.#due(entry)
      return
    }
    if (this.#options.once === true) return
    const { everyMs, retry } = this.#options.pace()
    const delayMs =
      entry.failures > 0 ? backoffMs(entry.failures, retry) : everyMs * (0.9 + Math.random() * 0.1)
    entry.timer = setTimeout(() => this.#due(entry), Math.min(delayMs, maxTimerMs))
  }

  #isIdle(): boolean {
    return this.#running === 0 && this.#dueProven.size === 0 && this.#dueNew.size === 0
  }

  #settleIdle(): void {
    if (!this.#isIdle()) return
    this.#idle?.resolve()
    this.#idle = undefined
  }
}

/** `setTimeout` takes longer delays for 1 ms. */
const maxTimerMs = 2 ** 31 - 1

function first<T>(set: ReadonlySet<T>): T | undefined {
  return set.values().next().value
}
