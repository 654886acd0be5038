import { createPrivateKey, generateKeyPair, X509Certificate, type KeyObject } from "node:crypto"
import { promisify } from "node:util"
import { certificateRequest } from "../x509/csr.ts"
import { ecdsaSha256 } from "../x509/ecdsa-sha256.ts"
import { asPurserError, isPurserError, PurserError, reasonOf, type ErrorCode } from "../base/errors.ts"
import { errorFields, type Log } from "../base/log.ts"
import { Secret } from "../base/secret.ts"
import { readOnDisk } from "../files/on-disk.ts"
import type { FileLine } from "../files/file-line.ts"
import type { Fetched } from "../rollout/deliver-files.ts"
import type { CertificateLine } from "./certificate-line.ts"
import type { AgentSession } from "./session.ts"

/**
 * Gets a certificate whose key never leaves this node: makes the key, sends a
 * certificate request (CSR) to the agent's action `certificate`, and returns the
 * files for the rollout to install. Renews it in the first session after two
 * thirds of its life.
 */

/** The limit of each PEM in the answer, in characters. A leaf with its intermediates is far smaller. */
const maxPemBytes = 65_536

/** Errors that fail only this certificate. Any other error (a lost connection) fails the session. */
const answerErrors: readonly ErrorCode[] = ["ERR_NOT_GRANTED", "ERR_ACTION", "ERR_CERTIFICATE"]

/** Contents by the names of their file lines; empty while the files in place need no renewal. */
type NewFiles = ReadonlyMap<string, Secret>
type Refusal = Exclude<Fetched, { status: "sent" }>

/** One certificate in one session. Its three files share one request to the agent. */
export class CertificateExchange {
  readonly #line: CertificateLine
  readonly #directory: string
  readonly #askAgent: AgentSession["ask"]
  readonly #log: Log
  #answer: Promise<NewFiles | Refusal> | undefined

  constructor(line: CertificateLine, directory: string, ask: AgentSession["ask"], log: Log) {
    this.#line = line
    this.#directory = directory
    this.#askAgent = ask
    this.#log = log
  }

  /** Fetches the file of one of its lines. `fits` tells whether the file in place has the line's mode and owner. */
  async fetch(line: FileLine, fits: boolean): Promise<Fetched> {
    this.#answer ??= this.#renewed()
    const answer = await this.#answer
    if ("status" in answer) return answer
    const content = answer.get(line.name)
    if (content !== undefined) return { status: "sent", content }
    if (fits) return { status: "match" }
    const current = await readOnDisk(line, this.#directory)
    return current === null ? { status: "failed" } : { status: "sent", content: current }
  }

  async #renewed(): Promise<NewFiles | Refusal> {
    const current = await this.#current()
    const now = Date.now()
    if (current !== null && now < dueAt(current)) return new Map()
    try {
      return await this.#ask()
    } catch (error) {
      const isAnswer = answerErrors.some((code) => isPurserError(error, code))
      if (!isAnswer) throw error
      this.#log.error(`${this.#line.name}: ${reasonOf(error)}`, errorFields(asPurserError(error)))
      // The current certificate is still valid, so the next session asks again.
      if (current !== null && now < ends(current)) return new Map()
      return { status: isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed" }
    }
  }

  /** The certificate in place, or null unless all three files are there, the key fits, and it has every name of the line. */
  async #current(): Promise<X509Certificate | null> {
    const { certificate, key, ca } = this.#line
    const [certificatePem, keyPem, caPem] = await Promise.all(
      [certificate, key, ca].map((line) => readOnDisk(line, this.#directory)),
    )
    if (!certificatePem || !keyPem || !caPem) return null
    try {
      const found = new X509Certificate(certificatePem.reveal())
      const isOurs = found.checkPrivateKey(createPrivateKey(keyPem.reveal()))
      return isOurs && missingName(found, this.#line) === undefined ? found : null
    } catch {
      return null
    }
  }

  async #ask(): Promise<NewFiles> {
    const { name, certificate, key, ca } = this.#line
    const pair = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" })
    const answer = await this.#askAgent("certificate", {
      csr: certificateRequest(pair.privateKey, ecdsaSha256, this.#line),
    })
    const { leaf, certificatePem, caPem } = parseAnswer(answer, name)
    checkLeaf(leaf, pair.privateKey, this.#line)
    this.#log.info(`${name}: got a new certificate`, { ends: new Date(ends(leaf)).toISOString() })
    return new Map([
      [certificate.name, new Secret(certificatePem)],
      [key.name, new Secret(pair.privateKey.export({ type: "pkcs8", format: "pem" }))],
      [ca.name, new Secret(caPem)],
    ])
  }
}

/** The end of two thirds of its life, in milliseconds since 1970. */
function dueAt(certificate: X509Certificate): number {
  const from = Date.parse(certificate.validFrom)
  return from + ((ends(certificate) - from) * 2) / 3
}

/** The time at which it expires, in milliseconds since 1970. Parses the text, because early Node 22 has only that. */
function ends({ validTo }: X509Certificate): number {
  return Date.parse(validTo)
}

function parseAnswer(
  answer: unknown,
  name: string,
): { leaf: X509Certificate; certificatePem: string; caPem: string } {
  const { certificate, ca } = (answer ?? {}) as { certificate?: unknown; ca?: unknown }
  try {
    const leaf = parsed(certificate)
    parsed(ca)
    return { leaf, certificatePem: String(certificate), caPem: String(ca) }
  } catch (error) {
    throw new PurserError("ERR_CERTIFICATE", `the agent's answer for ${name} holds no certificate`, {
      cause: error,
    })
  }
}

/** The first certificate of a PEM. */
function parsed(pem: unknown): X509Certificate {
  if (typeof pem !== "string" || pem.length > maxPemBytes || !pem.startsWith("-----BEGIN CERTIFICATE-----"))
    throw new TypeError("not a PEM certificate")
  return new X509Certificate(pem)
}

/** Throws `ERR_CERTIFICATE` for a certificate that is for another key, has expired, or lacks a name of the line. */
function checkLeaf(leaf: X509Certificate, key: KeyObject, line: CertificateLine): void {
  const bad = (why: string): PurserError =>
    new PurserError("ERR_CERTIFICATE", `the agent's certificate for ${line.name} ${why}`)
  if (!leaf.checkPrivateKey(key)) throw bad("is for another key")
  if (ends(leaf) <= Date.now()) throw bad("has expired")
  const missing = missingName(leaf, line)
  if (missing !== undefined) throw bad(`lacks ${missing}`)
}

/** The first name of the line that the certificate does not hold, or undefined. */
function missingName(leaf: X509Certificate, { dns, ip, email }: CertificateLine): string | undefined {
  const strictly = { subject: "never", wildcards: false } as const
  const names = new Set(leaf.subjectAltName?.split(", "))
  return (
    dns.find((name) => !names.has(`DNS:${name}`)) ??
    ip.find((address) => leaf.checkIP(address) === undefined) ??
    email.find((mailbox) => leaf.checkEmail(mailbox, strictly) === undefined)
  )
}
