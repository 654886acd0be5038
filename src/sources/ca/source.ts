import { asPurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Secret } from "../../base/secret.ts"
import type { Ca } from "../../ca/ca.ts"
import { certificateFileNames } from "../../ca/certificate-files.ts"
import type { CaConfig } from "../../ca/config.ts"
import { checkPolicy } from "../../ca/policy.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import type { Source } from "../source.ts"
import { DueTimer } from "./due-timer.ts"
import { filesOfRecord, refuseWaiting } from "./record-files.ts"
import { CertificateRenewal, type Issued } from "./renewal.ts"
import type { CaSpec } from "./spec.ts"

/**
 * A certificate as secrets: its set, always of one issuance. With names it is kept issued; without, it gives what was
 * issued by hand or imported.
 */

export interface CaSourceOptions {
  ca: Ca
  config: CaConfig
  /** Called before what was issued is given to anybody. */
  onIssued?: ((issued: Issued) => Promise<void>) | undefined
  log: Log
  now?: (() => Date) | undefined
}

type Files = ReadonlyMap<string, Secret>

export function caSource(spec: CaSpec, options: CaSourceOptions): Source {
  return new CaSource(spec, options)
}

class CaSource implements Source {
  readonly #spec: CaSpec
  readonly #options: CaSourceOptions
  readonly #ends = new AbortController()
  /** Undefined without names. */
  readonly #renewal: CertificateRenewal | undefined
  readonly #timer = new DueTimer()
  #looking: Promise<Files> | undefined
  /** Serial of what was given last; null when there was nothing, undefined before anybody asked. */
  #last: string | null | undefined
  #tell: (() => void) | undefined

  constructor(spec: CaSpec, options: CaSourceOptions) {
    this.#spec = spec
    this.#options = options
    const { ca, onIssued, log, now = () => new Date() } = options
    if (spec.ask !== undefined)
      this.#renewal = new CertificateRenewal(spec.name, spec.ask, {
        ca,
        onIssued,
        log,
        now,
        signal: this.#ends.signal,
      })
  }

  async read(name: string): Promise<Secret | null> {
    return (await this.readGroup()).get(name) ?? null
  }

  /** Empty where there is none. Throws `ERR_WAITING`, and what the CA throws. */
  async readGroup(): Promise<Files> {
    return await this.#look()
  }

  /** Issues nothing. */
  async check(name: string, signal: AbortSignal): Promise<Secret | null | undefined> {
    const { ca, config } = this.#options
    const { ask, name: certificate } = this.#spec
    if (ask !== undefined) {
      const { key = config.keys.leaf, days = config.days.leaf } = ask
      checkPolicy({ ...ask, days }, key, config.policy, "the CA")
      await ca.unlock(signal)
    }
    const record = await ca.find(certificate)
    if (this.#renewal !== undefined && (record === null || !this.#renewal.serves(record))) return undefined
    if (record !== null) return (await filesOfRecord(ca, record)).get(name) ?? null
    await refuseWaiting(ca, certificate)
    return null
  }

  async watch(onChange: (name?: string) => void): Promise<AsyncDisposable> {
    const { ca, log } = this.#options
    this.#tell = () => {
      for (const name of certificateFileNames) onChange(name)
    }
    const watcher = await ca.watch((name) => {
      // Nobody has asked for it, or it is another's.
      if (this.#last === undefined || (name !== undefined && name !== this.#spec.name)) return
      this.#lookAgain()
    }, log)
    if (this.#last !== undefined) this.#lookAgain()
    return {
      [Symbol.asyncDispose]: async () => {
        this.#tell = undefined
        this.#timer[Symbol.dispose]()
        this.#ends.abort()
        await watcher[Symbol.asyncDispose]()
        await this.#looking?.catch(() => {})
      },
    }
  }

  /** However many ask at once, one looks, and issues. */
  async #look(): Promise<Files> {
    this.#looking ??= this.#current().finally(() => {
      this.#looking = undefined
    })
    return await this.#looking
  }

  /** After what is under way now, which may have looked too early. */
  #lookAgain(): void {
    const before = this.#looking?.catch(() => {}) ?? Promise.resolve()
    void before
      .then(() => this.#look())
      // The next reader gets the error; for a certificate that is still given, a log line was written.
      .catch((error: unknown) =>
        this.#options.log.debug(`${this.#spec.name}: ${asPurserError(error).message}`),
      )
  }

  async #current(): Promise<Files> {
    const last = this.#last
    const { ca } = this.#options
    try {
      const record = await this.#record()
      const due = record === null ? undefined : await this.#renewal?.dueOf(record)
      const files: Files = record === null ? new Map() : await filesOfRecord(ca, record)
      this.#last = record?.serial ?? null
      if (due !== undefined) this.#lookWhen(due)
      if (last !== undefined && last !== this.#last) this.#tell?.()
      return files
    } catch (error) {
      this.#last ??= null
      throw error
    }
  }

  async #record(): Promise<CertificateRecord | null> {
    if (this.#renewal !== undefined) return await this.#renewal.current()
    const { ca } = this.#options
    const record = await ca.find(this.#spec.name)
    if (record === null) await refuseWaiting(ca, this.#spec.name)
    return record
  }

  /** A watched certificate is renewed when it is due, without being asked for, and whoever gets it is told. */
  #lookWhen(due: Date): void {
    const renewal = this.#renewal
    if (this.#tell === undefined || renewal === undefined) return
    this.#timer.set(
      () => renewal.waitMs(due),
      () => this.#lookAgain(),
    )
  }
}
