import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { processMark, removeHealth, writeHealth } from "./health.ts"

/** The health of one running node, in its status file if there is one. */
export class HealthFile implements AsyncDisposable {
  readonly #file: string | undefined
  readonly #outlives: boolean
  readonly #log: Log

  /** `outlives`: the files are in use also after this process, so the status stays. */
  constructor(file: string | undefined, { outlives, log }: { outlives: boolean; log: Log }) {
    this.#file = file
    this.#outlives = outlives
    this.#log = log
  }

  /** `required`: absolute paths that must be in place, or null while that is not known. Throws `ERR_STATE`. */
  async set(required: readonly string[] | null): Promise<void> {
    if (this.#file === undefined) return
    await writeHealth(this.#file, { required, process: this.#outlives ? undefined : await processMark() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file === undefined || this.#outlives) return
    // An error that ended the node is the news, and must not be hidden by this one.
    await removeHealth(this.#file).catch((error: unknown) => this.#log.warn(reasonOf(error)))
  }
}
