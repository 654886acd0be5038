import { setTimeout as delay } from "node:timers/promises"
import { backoffMs } from "../../../base/backoff.ts"
import { asPurserError } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import type { Engine } from "../../../docker/engine.ts"

export type ConnectToEngine = (signal: AbortSignal) => Promise<Engine>

/** Delays between tries of what the engine does not answer. */
export const retry = { firstMs: 1000, maxMs: 60_000 }

/** The connection to the engine. Logs each loss and each return once, however often it tries. */
export class EngineLink implements AsyncDisposable {
  readonly #connect: ConnectToEngine
  readonly #log: Log
  #engine: Engine | undefined
  #isLost = false
  #isEnding = false

  constructor(connect: ConnectToEngine, log: Log) {
    this.#connect = connect
    this.#log = log
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** Undefined while it is away, and after {@link end}. */
  get engine(): Engine | undefined {
    return this.#isLost || this.#isEnding ? undefined : this.#engine
  }

  /** Tries once. Throws what the connecting throws. */
  async connectOnce(signal: AbortSignal): Promise<Engine> {
    this.#engine = await this.#connect(signal)
    return this.#engine
  }

  /** Tries until the engine answers. Rejects only with the signal's reason. */
  async connect(signal: AbortSignal): Promise<Engine> {
    for (let failures = 1; ; failures++) {
      try {
        const engine = await this.connectOnce(signal)
        this.noteFound()
        return engine
      } catch (error) {
        signal.throwIfAborted()
        this.noteLost(error)
        await delay(backoffMs(failures, retry), undefined, { signal })
      }
    }
  }

  noteLost(thrown: unknown): void {
    if (this.#isLost || this.#isEnding) return
    this.#isLost = true
    const error = asPurserError(thrown)
    const hint = error.hint ?? "its containers get nothing until it answers; other targets go on"
    this.#log.warn(`the container engine is away: ${error.message}`, { ...errorFields(error), hint })
  }

  noteFound(): void {
    if (!this.#isLost) return
    this.#isLost = false
    this.#log.info("the container engine answers again")
  }

  /** From now on gives the engine to no caller, and logs nothing more of it. */
  end(): void {
    this.#isEnding = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
    await this.#engine?.[Symbol.asyncDispose]()
  }
}
