import { X509Certificate } from "node:crypto"
import { backoffMs } from "../../base/backoff.ts"
import { PurserError, asPurserError } from "../../base/errors.ts"
import { errorFields, type Log } from "../../base/log.ts"
import type { Secret } from "../../base/secret.ts"
import type { CertificateSpec } from "../../ca/certificate-spec.ts"
import type { Ca } from "../../ca/ca.ts"
import type { CaConfig } from "../../ca/config.ts"
import { keyTypeOf } from "../../ca/keys.ts"
import { checkPolicy } from "../../ca/policy.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import { dueAt } from "../../ca/renewal.ts"
import { certificateFileNames, certificateFiles } from "../../ca/certificate-files.ts"
import type { Source } from "../source.ts"
import type { CaSpec } from "./spec.ts"

/**
 * A certificate as secrets: its set, always of one issuance. With names it is issued when it is first needed, and
 * again when it is due, was revoked, or other names are configured; what is still valid is given until that succeeds.
 */

export interface CaSourceOptions {
  ca: Ca
  config: CaConfig
  /** Told before what was issued is given to anybody. */
  onIssued?: ((issued: Issued) => Promise<void>) | undefined
  log: Log
  now?: (() => Date) | undefined
}

/** What became of a certificate's name without anybody's hand. */
export interface Issued {
  readonly kind: "issued" | "renewed"
  readonly record: CertificateRecord
  readonly notAfter: Date
}

/** What is given now. */
interface Given {
  readonly serial: string
  readonly set: ReadonlyMap<string, Secret>
  readonly due: Date
}

/** How often a new intermediate is looked for, where nothing else is left to wait for. */
const lookMs = 3_600_000
const retry = { firstMs: 60_000, maxMs: 6 * 3_600_000 }
/** What a timer of Node can hold. */
const longestTimerMs = 2 ** 31 - 1

export function caSource(spec: CaSpec, options: CaSourceOptions): Source {
  return new CaSource(spec, options)
}

class CaSource implements Source {
  readonly #name: string
  readonly #ask: CertificateSpec | undefined
  readonly #options: CaSourceOptions
  readonly #now: () => Date
  readonly #ends = new AbortController()
  #looking: Promise<Given | null> | undefined
  /** Serial of what was given last; null when there was nothing, undefined before anybody asked. */
  #last: string | null | undefined
  #failures = 0
  /** Serial of what ends with its issuer, once that was said. */
  #toldOf: string | undefined
  /** Until when the old one is given without another try. */
  #retryAt = 0
  #timer: NodeJS.Timeout | undefined
  #tell: (() => void) | undefined

  constructor({ name, ask }: CaSpec, options: CaSourceOptions) {
    this.#name = name
    this.#ask = ask
    this.#options = options
    this.#now = options.now ?? (() => new Date())
  }

  async read(name: string): Promise<Secret | null> {
    return (await this.readSet()).get(name) ?? null
  }

  /** Empty where there is none. Throws `ERR_WAITING`, and what the CA throws. */
  async readSet(): Promise<ReadonlyMap<string, Secret>> {
    return (await this.#look())?.set ?? new Map<string, Secret>()
  }

  /** Issues nothing. */
  async check(name: string, signal: AbortSignal): Promise<Secret | null | undefined> {
    const { ca, config } = this.#options
    if (this.#ask !== undefined) {
      const keyType = this.#ask.key ?? config.keys.leaf
      checkPolicy(
        { ...this.#ask, days: this.#ask.days ?? config.days.leaf },
        keyType,
        config.policy,
        "the CA",
      )
      await ca.unlock(signal)
    }
    const record = await ca.find(this.#name)
    if (record === null || (this.#ask !== undefined && !this.#serves(record))) {
      if (this.#ask !== undefined) return undefined
      await this.#refuseWaiting()
      return null
    }
    return (await this.#setOf(record)).get(name) ?? null
  }

  async watch(onChange: (name?: string) => void): Promise<AsyncDisposable> {
    const { ca, log } = this.#options
    this.#tell = () => {
      for (const name of certificateFileNames) onChange(name)
    }
    const watcher = await ca.watch((name) => {
      // Nobody has asked for it, or it is another's.
      if (this.#last === undefined || (name !== undefined && name !== this.#name)) return
      this.#lookAgain()
    }, log)
    if (this.#last !== undefined) this.#lookAgain()
    return {
      [Symbol.asyncDispose]: async () => {
        this.#tell = undefined
        clearTimeout(this.#timer)
        this.#ends.abort()
        await watcher[Symbol.asyncDispose]()
        await this.#looking?.catch(() => {})
      },
    }
  }

  /** However many ask at once, one looks, and issues. */
  async #look(): Promise<Given | null> {
    this.#looking ??= this.#current().finally(() => {
      this.#looking = undefined
    })
    return await this.#looking
  }

  /** After what is under way now, which may have looked too early. */
  #lookAgain(): void {
    const before = this.#looking ?? Promise.resolve(null)
    void before
      .catch(() => {})
      .then(() => this.#look())
      // Whoever asks next is told; for what is still given, a log line was written.
      .catch((error: unknown) => this.#options.log.debug(`${this.#name}: ${asPurserError(error).message}`))
  }

  async #current(): Promise<Given | null> {
    const last = this.#last
    try {
      const record = await this.#record()
      const given =
        record === null ? null : { ...(await this.#lifeOf(record)), set: await this.#setOf(record) }
      this.#last = given?.serial ?? null
      if (given !== null) this.#arm(given.due)
      if (last !== undefined && last !== this.#last) this.#tell?.()
      return given
    } catch (error) {
      this.#last ??= null
      throw error
    }
  }

  async #record(): Promise<CertificateRecord | null> {
    const record = await this.#options.ca.find(this.#name)
    if (this.#ask === undefined) {
      if (record === null) await this.#refuseWaiting()
      return record
    }
    if (record !== null && (await this.#isGood(record))) return record
    const usable = record?.hasKey === true ? record : null
    if (usable !== null && this.#now().getTime() < this.#retryAt) return usable
    try {
      const issued = await this.#issue(this.#ask)
      this.#failures = 0
      this.#retryAt = 0
      return issued
    } catch (thrown) {
      this.#ends.signal.throwIfAborted()
      if (usable === null) throw thrown
      this.#noteFailure(usable, asPurserError(thrown))
      return usable
    }
  }

  async #issue(ask: CertificateSpec): Promise<CertificateRecord> {
    const { ca, onIssued, log } = this.#options
    const before = (await ca.list({ all: true })).some(({ name, serial }) => name === this.#name && serial)
    let found: CertificateRecord | null = null
    const instead = async (): Promise<CertificateRecord | null> => {
      const record = await ca.find(this.#name)
      found = record !== null && (await this.#isGood(record)) ? record : null
      return found
    }
    const record = await ca.issue(this.#name, ask, { cap: true, instead }, this.#ends.signal)
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
    const pauseMs = backoffMs(this.#failures, retry)
    this.#retryAt = this.#now().getTime() + pauseMs
    this.#options.log.error(
      `the certificate ${this.#name} cannot be renewed: ${error.message}; the old one is given until ${notAfter.toISOString()}`,
      errorFields(error),
    )
  }

  /** It can be given, and nothing calls for another. */
  async #isGood(record: CertificateRecord): Promise<boolean> {
    return this.#serves(record) && this.#now() < (await this.#lifeOf(record)).due
  }

  /**
   * What lasts as long as its issuer would gain nothing by a renewal, and each would be due sooner than the one before.
   * It waits for another intermediate.
   */
  async #lifeOf(record: CertificateRecord): Promise<Life> {
    const life = lifeOf(record)
    const now = this.#now().getTime()
    const ends = this.#ask === undefined || now < life.due.getTime() ? null : await this.#options.ca.ends()
    if (ends === null || life.notAfter < ends || now >= life.notAfter.getTime()) return life
    if (this.#toldOf !== record.serial) {
      this.#toldOf = record.serial
      this.#options.log.warn(
        `the certificate ${this.#name} ends with the intermediate that signed it, at ${ends.toISOString()}`,
        { hint: "make a new intermediate: purser ca intermediate; then it is renewed" },
      )
    }
    return { ...life, due: new Date(Math.min(now + lookMs, life.notAfter.getTime())) }
  }

  /** Whether it says what is configured. What was imported under this name was put there on purpose. */
  #serves(record: CertificateRecord): boolean {
    if (!record.hasKey) return false
    const ask = this.#ask
    if (ask === undefined || record.origin === "imported") return true
    const { publicKey } = new X509Certificate(record.certificate)
    if (ask.key !== undefined && keyTypeOf(publicKey) !== ask.key) return false
    return ask.client === record.ask.client && namesOf(ask) === namesOf(record.ask)
  }

  async #setOf(record: CertificateRecord): Promise<ReadonlyMap<string, Secret>> {
    const { ca } = this.#options
    const key = record.hasKey ? await ca.keyOf(record) : null
    if (record.hasKey && key === null) {
      throw new PurserError("ERR_CA", `the key of the certificate ${this.#name} is not there`, {
        hint: `bring ca/keys back from a backup, or make another: purser ca renew ${this.#name}`,
      })
    }
    return certificateFiles(record, key, record.root ?? (await ca.root()))
  }

  async #refuseWaiting(): Promise<void> {
    const request = (await this.#options.ca.requests()).find(({ name }) => name === this.#name)
    if (request === undefined) return
    throw new PurserError(
      "ERR_WAITING",
      `the certificate ${this.#name} waits for its CA since ${request.at}`,
      {
        hint: "send it the request; purser ca import FILE takes back what it answers",
      },
    )
  }

  /** It is renewed when it is due, and everybody who gets it told; nobody has to ask for it. */
  #arm(due: Date): void {
    clearTimeout(this.#timer)
    if (this.#tell === undefined || this.#ask === undefined) return
    const now = this.#now().getTime()
    const waitMs = (this.#retryAt > now ? this.#retryAt : due.getTime()) - now
    const isLast = waitMs <= longestTimerMs
    this.#timer = setTimeout(
      () => (isLast ? this.#lookAgain() : this.#arm(due)),
      isLast ? Math.max(0, waitMs) : longestTimerMs,
    )
  }
}

interface Life {
  readonly serial: string
  readonly due: Date
  readonly notAfter: Date
}

function lifeOf({ serial, certificate }: CertificateRecord): Life {
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  return { serial, due: dueAt(validFromDate, validToDate, serial), notAfter: validToDate }
}

function namesOf({ dns, ip, email }: CertificateSpec): string {
  return JSON.stringify([dns, ip, email].map((names) => names.toSorted()))
}
