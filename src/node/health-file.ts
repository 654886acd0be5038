import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { processMark, removeHealth, writeHealth } from "./health.ts"

/** Keeps the health of one running node in its status file. Does nothing when no file is configured. */
export class HealthFile implements AsyncDisposable {
  readonly #file: string | undefined
  readonly #outlives: boolean
  readonly #log: Log

  /** `outlives` keeps the status file after this process, because its files stay in use. */
  constructor(file: string | undefined, { outlives, log }: { outlives: boolean; log: Log }) {
    this.#file = file
    this.#outlives = outlives
    this.#log = log
  }

  /** Writes the absolute paths that must be in place, or null while they are not known. Throws `ERR_STATE`. */
  async set(required: readonly string[] | null): Promise<void> {
    if (this.#file === undefined) return
    await writeHealth(this.#file, { required, process: this.#outlives ? undefined : await processMark() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file === undefined || this.#outlives) return
    // Only logged, so that it does not hide the error that ended the node.
    await removeHealth(this.#file).catch((error: unknown) => this.#log.warn(reasonOf(error)))
  }
}
