import { X509Certificate } from "node:crypto"
import { backoffMs } from "../../base/backoff.ts"
import { asPurserError, type PurserError } from "../../base/errors.ts"
import { errorFields, type Log } from "../../base/log.ts"
import type { Ca } from "../../ca/ca.ts"
import type { CertificateSpec } from "../../ca/certificate-spec.ts"
import { keyTypeOf } from "../../ca/keys.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import { dueAt } from "../../ca/renewal.ts"

/** A certificate that was issued without being asked for by hand. */
export interface Issued {
  readonly kind: "issued" | "renewed"
  readonly record: CertificateRecord
  readonly notAfter: Date
}

export interface RenewalOptions {
  readonly ca: Ca
  /** Called before what was issued is given to anybody. */
  readonly onIssued?: ((issued: Issued) => Promise<void>) | undefined
  readonly log: Log
  readonly now: () => Date
  /** Ends an issuance that is under way. */
  readonly signal: AbortSignal
}

/** How often a new intermediate is looked for, where nothing else is left to wait for. */
const lookMs = 3_600_000
const retry = { firstMs: 60_000, maxMs: 6 * 3_600_000 }

/**
 * Keeps the certificate of a name issued: when it is first needed, is due, was revoked, or other names are configured.
 * While a renewal fails, what is still valid is given, and the next attempt waits longer each time.
 */
export class CertificateRenewal {
  readonly #name: string
  readonly #ask: CertificateSpec
  readonly #options: RenewalOptions
  #failures = 0
  /** Until when the old one is given without another try. */
  #retryAt = 0
  /** Serial of the certificate that was reported to end with its issuer. */
  #cappedSerial: string | undefined

  constructor(name: string, ask: CertificateSpec, options: RenewalOptions) {
    this.#name = name
    this.#ask = ask
    this.#options = options
  }

  /** Throws what the CA throws, where nothing that is valid can be given. */
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

  /** Whether it has the names and the key that are configured. What was imported was put there on purpose. */
  serves(record: CertificateRecord): boolean {
    if (!record.hasKey) return false
    const ask = this.#ask
    if (record.origin === "imported") return true
    const { publicKey } = new X509Certificate(record.certificate)
    if (ask.key !== undefined && keyTypeOf(publicKey) !== ask.key) return false
    return ask.client === record.ask.client && namesOf(ask) === namesOf(record.ask)
  }

  /**
   * When the next certificate is to be issued, or looked for. A certificate capped at its issuer's expiry is not renewed, because the next would end then too, and be due
   * sooner each time. It waits for another intermediate.
   */
  async dueOf(record: CertificateRecord): Promise<Date> {
    const { due, notAfter } = lifeOf(record)
    const now = this.#now()
    const ends = now < due.getTime() ? null : await this.#options.ca.ends()
    if (ends === null || notAfter < ends || now >= notAfter.getTime()) return due
    if (this.#cappedSerial !== record.serial) {
      this.#cappedSerial = record.serial
      this.#options.log.warn(
        `the certificate ${this.#name} ends with the intermediate that signed it, at ${ends.toISOString()}`,
        { hint: "make a new intermediate: purser ca intermediate; then it is renewed" },
      )
    }
    return new Date(Math.min(now + lookMs, notAfter.getTime()))
  }

  /** Until {@link current} should be asked for again. */
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
    const record = await ca.issue(this.#name, this.#ask, { cap: true, instead }, signal)
    if (found !== null) return record
    const { notAfter } = lifeOf(record)
    const kind = before ? "renewed" : "issued"
    await onIssued?.({ kind, record, notAfter })
    log.info(`${kind} the certificate ${this.#name}, valid until ${notAfter.toISOString()}`)
    return record
  }

  #noteFailure(record: CertificateRecord, error: PurserError): void {
    this.#failures++
    const { notAfter } = lifeOf(record)
    this.#retryAt = this.#now() + backoffMs(this.#failures, retry)
    this.#options.log.error(
      `the certificate ${this.#name} cannot be renewed: ${error.message}; the old one is given until ${notAfter.toISOString()}`,
      errorFields(error),
    )
  }

  /** It can be given, and nothing calls for another. */
  async #isGood(record: CertificateRecord): Promise<boolean> {
    return this.serves(record) && this.#now() < (await this.dueOf(record)).getTime()
  }

  #now(): number {
    return this.#options.now().getTime()
  }
}

function lifeOf({ serial, certificate }: CertificateRecord): { due: Date; notAfter: Date } {
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  return { due: dueAt(validFromDate, validToDate, serial), notAfter: validToDate }
}

function namesOf({ dns, ip, email }: CertificateSpec): string {
  return JSON.stringify([dns, ip, email].map((names) => names.toSorted()))
}
