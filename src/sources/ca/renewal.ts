import { X509Certificate } from "node:crypto"
import { backoffMs } from "../../base/backoff.ts"
import { asPurserError, type PurserError } from "../../base/errors.ts"
import { errorFields, type Log } from "../../base/log.ts"
import type { Ca } from "../../ca/ca.ts"
import type { CertificateSpec } from "../../ca/certificate-spec.ts"
import { keyTypeOf } from "../../ca/keys.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import { dueAt } from "../../ca/renewal.ts"

/** A certificate that was issued or renewed automatically. */
export interface Issued {
  readonly kind: "issued" | "renewed"
  readonly record: CertificateRecord
  readonly notAfter: Date
}

export interface RenewalOptions {
  readonly ca: Ca
  /** Called before the new certificate is delivered. */
  readonly onIssued?: ((issued: Issued) => Promise<void>) | undefined
  readonly log: Log
  readonly now: () => Date
  /** Aborts an issuance in progress. */
  readonly signal: AbortSignal
}

/** The interval of looking for a new intermediate while the certificate is capped at its issuer's expiry. */
const lookMs = 3_600_000
const retry = { firstMs: 60_000, maxMs: 6 * 3_600_000 }

/**
 * Keeps the certificate of a name issued. A certificate is issued when it is first needed, is due, was revoked, or its
 * configured names or key have changed. While a renewal fails, the old certificate is used as long as it is valid, and
 * each retry waits longer.
 */
export class CertificateRenewal {
  readonly #name: string
  readonly #spec: CertificateSpec
  readonly #options: RenewalOptions
  #failures = 0
  /** The time of the next retry in milliseconds since the epoch; until then the old certificate is used. */
  #retryAt = 0
  /** Serial of the certificate that was last reported as capped at its issuer's expiry. */
  #cappedSerial: string | undefined

  constructor(name: string, spec: CertificateSpec, options: RenewalOptions) {
    this.#name = name
    this.#spec = spec
    this.#options = options
  }

  /** Returns a valid certificate, issuing one if necessary. Throws the CA's errors if no valid one is available. */
  async current(): Promise<CertificateRecord> {
    const record = await this.#options.ca.find(this.#name)
    if (record !== null && (await this.#isGood(record))) return record
    const usable = record?.hasKey === true ? record : null
    if (usable !== null && this.#now() < this.#retryAt) return usable
    try {
      const issued = await this.#issue()
      this.#failures = 0
      this.#retryAt = 0
      return issued
    } catch (thrown) {
      this.#options.signal.throwIfAborted()
      if (usable === null) throw thrown
      this.#noteFailure(usable, asPurserError(thrown))
      return usable
    }
  }

  /**
   * Returns whether a certificate has the configured names and key type. An imported one always counts, because it was
   * imported on purpose.
   */
  serves(record: CertificateRecord): boolean {
    if (!record.hasKey) return false
    const spec = this.#spec
    if (record.origin === "imported") return true
    const { publicKey } = new X509Certificate(record.certificate)
    if (spec.key !== undefined && keyTypeOf(publicKey) !== spec.key) return false
    return spec.client === record.ask.client && namesOf(spec) === namesOf(record.ask)
  }

  /**
   * Returns the time at which the next certificate is to be issued, or the CA looked at again. A certificate capped at
   * its issuer's expiry is not renewed, because its successor would expire at the same time and be due sooner each
   * time; it waits for a new intermediate.
   */
  async dueOf(record: CertificateRecord): Promise<Date> {
    const { due, notAfter } = validityOf(record)
    const now = this.#now()
    const ends = now < due.getTime() ? null : await this.#options.ca.ends()
    if (ends === null || notAfter < ends || now >= notAfter.getTime()) return due
    if (this.#cappedSerial !== record.serial) {
      this.#cappedSerial = record.serial
      this.#options.log.warn(
        `the certificate ${this.#name} expires with the intermediate that signed it, at ${ends.toISOString()}`,
        { hint: "run purser ca intermediate to make a new intermediate; the certificate is then renewed" },
      )
    }
    return new Date(Math.min(now + lookMs, notAfter.getTime()))
  }

  /** Returns the time in milliseconds until {@link current} should be called again. */
  waitMs(due: Date): number {
    const now = this.#now()
    return (this.#retryAt > now ? this.#retryAt : due.getTime()) - now
  }

  async #issue(): Promise<CertificateRecord> {
    const { ca, onIssued, log, signal } = this.#options
    const before = (await ca.list({ all: true })).some(({ name, serial }) => name === this.#name && serial)
    let found: CertificateRecord | null = null
    const instead = async (): Promise<CertificateRecord | null> => {
      const record = await ca.find(this.#name)
      found = record !== null && (await this.#isGood(record)) ? record : null
      return found
    }
    const record = await ca.issue(this.#name, this.#spec, { cap: true, instead }, signal)
    if (found !== null) return record
    const { notAfter } = validityOf(record)
    const kind = before ? "renewed" : "issued"
    await onIssued?.({ kind, record, notAfter })
    log.info(`${kind} the certificate ${this.#name}, valid until ${notAfter.toISOString()}`)
    return record
  }

  #noteFailure(record: CertificateRecord, error: PurserError): void {
    this.#failures++
    const { notAfter } = validityOf(record)
    this.#retryAt = this.#now() + backoffMs(this.#failures, retry)
    this.#options.log.error(
      `the certificate ${this.#name} cannot be renewed: ${error.message}; the old one is used until ${notAfter.toISOString()}`,
      errorFields(error),
    )
  }

  /** Returns whether a certificate can be used and needs no successor yet. */
  async #isGood(record: CertificateRecord): Promise<boolean> {
    return this.serves(record) && this.#now() < (await this.dueOf(record)).getTime()
  }

  #now(): number {
    return this.#options.now().getTime()
  }
}

function validityOf({ serial, certificate }: CertificateRecord): { due: Date; notAfter: Date } {
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  return { due: dueAt(validFromDate, validToDate, serial), notAfter: validToDate }
}

function namesOf({ dns, ip, email }: CertificateSpec): string {
  return JSON.stringify([dns, ip, email].map((names) => names.toSorted()))
}
