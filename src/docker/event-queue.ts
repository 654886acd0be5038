import type { ParsedEvent } from "./event-lines.ts"

export type EngineEvent =
  | ParsedEvent
  /** Asks the reader to list all objects again: sent first, after every reconnect, and when events were dropped. */
  | { readonly kind: "list" }

/** Buffers events for a busy reader, because the engine drops events for a connection that is not read. */
export class EventQueue {
  #events: EngineEvent[] = []
  readonly #max: number
  #waiting = Promise.withResolvers<void>()
  #isEnded = false
  #error: { readonly reason: unknown } | undefined

  constructor(max: number) {
    this.#max = max
  }

  /** Adds an event. A full queue is replaced by one `list`. */
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

  /**
   * Resolves with the next event, or undefined at the end. Throws the reason given to {@link fail} after the last
   * event.
   */
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
