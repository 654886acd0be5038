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
 * Gives a certificate as secrets: the files of one set, always of one issuance. With names the certificate is issued
 * and renewed automatically; without names the source gives the certificate that was issued by hand or imported.
 */

export interface CaSourceOptions {
  ca: Ca
  config: CaConfig
  /** Called before a new certificate is delivered. */
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
  readonly #abort = new AbortController()
  /** Undefined without names. */
  readonly #renewal: CertificateRenewal | undefined
  readonly #timer = new DueTimer()
  #looking: Promise<Files> | undefined
  /** Serial of the last certificate given; null if there was none, undefined before the first read. */
  #last: string | null | undefined
  #onChange: (() => void) | undefined

  constructor(spec: CaSpec, options: CaSourceOptions) {
    this.#spec = spec
    this.#options = options
    const { ca, onIssued, log, now = () => new Date() } = options
    if (spec.certificate !== undefined)
      this.#renewal = new CertificateRenewal(spec.name, spec.certificate, {
        ca,
        onIssued,
        log,
        now,
        signal: this.#abort.signal,
      })
  }

  async read(name: string): Promise<Secret | null> {
    return (await this.readGroup()).get(name) ?? null
  }

  /** Returns the files of the certificate; empty if there is none. Throws `ERR_WAITING`, and the CA's errors. */
  async readGroup(): Promise<Files> {
    return await this.#look()
  }

  /** Checks that a read would succeed, without issuing a certificate. */
  async check(name: string, signal: AbortSignal): Promise<Secret | null | undefined> {
    const { ca, config } = this.#options
    const { certificate: spec, name: certificate } = this.#spec
    if (spec !== undefined) {
      const { key = config.keys.leaf, days = config.days.leaf } = spec
      checkPolicy({ ...spec, days }, key, config.policy, "the CA")
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
    this.#onChange = () => {
      for (const name of certificateFileNames) onChange(name)
    }
    const watcher = await ca.watch((name) => {
      // The certificate was never read, or the change concerns another one.
      if (this.#last === undefined || (name !== undefined && name !== this.#spec.name)) return
      this.#lookAgain()
    }, log)
    if (this.#last !== undefined) this.#lookAgain()
    return {
      [Symbol.asyncDispose]: async () => {
        this.#onChange = undefined
        this.#timer[Symbol.dispose]()
        this.#abort.abort()
        await watcher[Symbol.asyncDispose]()
        await this.#looking?.catch(() => {})
      },
    }
  }

  /** Joins concurrent reads, so that only one of them looks and issues. */
  async #look(): Promise<Files> {
    this.#looking ??= this.#current().finally(() => {
      this.#looking = undefined
    })
    return await this.#looking
  }

  /** Looks again after the current look, which may have read the old state. */
  #lookAgain(): void {
    const before = this.#looking?.catch(() => {}) ?? Promise.resolve()
    void before
      .then(() => this.#look())
      // The next read throws the same error; a failed renewal was logged already.
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
      if (last !== undefined && last !== this.#last) this.#onChange?.()
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

  /** Renews a watched certificate when it is due, without waiting for a read, and reports the change. */
  #lookWhen(due: Date): void {
    const renewal = this.#renewal
    if (this.#onChange === undefined || renewal === undefined) return
    this.#timer.set(
      () => renewal.waitMs(due),
      () => this.#lookAgain(),
    )
  }
}
