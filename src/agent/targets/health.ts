import { reasonOf } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { processMark, removeHealth, writeHealth } from "../../node/health.ts"

/** The status that `purser health` reads: the agent runs, and these files on this host must be in place. */
export class AgentHealth {
  readonly #file: string | undefined
  readonly #log: Log
  /** By target; null until it is known what is required there. */
  #required = new Map<string, readonly string[] | null>()
  #previous: ReadonlyMap<string, readonly string[] | null> = new Map()
  readonly #complete = new Set<string>()

  /** With `undefined` nothing is written, and only {@link isComplete} is of use. */
  constructor(file: string | undefined, log: Log) {
    this.#file = file
    this.#log = log
  }

  /** Begins anew, for another plan, whose requirements must follow before {@link write}. */
  clear(): void {
    this.#previous = this.#required
    this.#required = new Map()
  }

  /** These absolute paths must be in place; without them, those of the target's last complete delivery. */
  require(target: string, paths: readonly string[] | undefined): void {
    this.#required.set(target, paths ?? this.#previous.get(target) ?? null)
  }

  /** Whether this target was complete once, so that an application may use its files. */
  isComplete(target: string): boolean {
    return this.#complete.has(target)
  }

  /** Records a complete delivery, after which these paths must stay in place. Logs it when that cannot be written. */
  async complete(target: string, paths: readonly string[]): Promise<void> {
    this.#complete.add(target)
    this.#required.set(target, paths)
    try {
      await this.write()
    } catch (error) {
      this.#log.error(`cannot write the status for purser health: ${reasonOf(error)}`)
    }
  }

  async write(): Promise<void> {
    if (this.#file === undefined) return
    const all = [...this.#required.values()]
    await writeHealth(this.#file, {
      required: all.includes(null) ? null : all.flatMap((paths) => paths ?? []),
      process: await processMark(),
    })
  }

  async end(): Promise<void> {
    try {
      if (this.#file !== undefined) await removeHealth(this.#file)
    } catch (error) {
      this.#log.error(`cannot remove the status for purser health: ${reasonOf(error)}`)
    }
  }
}
