import type { ParsedEvent } from "./event-lines.ts"

export type EngineEvent =
  | ParsedEvent
  /** Comes first, after every reconnect and where events had to be dropped: list afresh now. */
  | { readonly kind: "list" }

/** Between an engine that drops events for whoever does not read and a reader that is busy. */
export class EventQueue {
  #events: EngineEvent[] = []
  readonly #max: number
  #waiting = Promise.withResolvers<void>()
  #isEnded = false
  #error: { readonly reason: unknown } | undefined

  constructor(max: number) {
    this.#max = max
  }

  /** More than `max` that wait become one `list`. */
  push(event: EngineEvent): void {
    if (this.#events.length >= this.#max) this.#events = [{ kind: "list" }]
    this.#events.push(event)
    this.#waiting.resolve()
  }

  fail(reason: unknown): void {
    this.#error = { reason }
  }

  end(): void {
    this.#isEnded = true
    this.#waiting.resolve()
  }

  /** Undefined at the end. Throws what {@link fail} was told, then. */
  async next(): Promise<EngineEvent | undefined> {
    while (this.#events.length === 0 && !this.#isEnded) {
      this.#waiting = Promise.withResolvers()
      await this.#waiting.promise
    }
    const event = this.#events.shift()
    if (event === undefined && this.#error !== undefined) throw this.#error.reason
    return event
  }
}
