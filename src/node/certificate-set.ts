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
 * A certificate whose key never leaves this node: it makes the key, sends a
 * request to the agent's action `certificate`, and hands the files on to be
 * installed like any others. Asks anew in the first session after two thirds of
 * the certificate's life.
 */

/** The longest answer that makes sense: a leaf, its intermediates and a root. */
const maxPemBytes = 65_536

/** What is no loss of the connection, but an answer: others of the session go on. */
const answers: readonly ErrorCode[] = ["ERR_NOT_GRANTED", "ERR_ACTION", "ERR_CERTIFICATE"]

/** Contents by the names of their file lines; empty when what is in place is good for now. */
type NewFiles = ReadonlyMap<string, Secret>
type Refusal = Exclude<Fetched, { status: "sent" }>

/** One session's view of one certificate: it is asked for once, whichever of its files comes first. */
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

  /** Takes one of its lines. `fits`: whether what is in place has the mode and owner that it should. */
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
      const isAnswer = answers.some((code) => isPurserError(error, code))
      if (!isAnswer) throw error
      this.#log.error(`${this.#line.name}: ${reasonOf(error)}`, errorFields(asPurserError(error)))
      // Asked again in the next session: a third of its life is for that.
      if (current !== null && now < ends(current)) return new Map()
      return { status: isPurserError(error, "ERR_NOT_GRANTED") ? "denied" : "failed" }
    }
  }

  /** What is in place, when certificate and key are there, belong together, and say what the line says. */
  async #current(): Promise<X509Certificate | null> {
    const { certificate, key, ca } = this.#line
    const [certificatePem, keyPem, caPem] = await Promise.all(
      [certificate, key, ca].map((line) => readOnDisk(line, this.#directory)),
    )
    if (!certificatePem || !keyPem || !caPem) return null
    try {
      const found = new X509Certificate(certificatePem.reveal())
      const isOurs = found.checkPrivateKey(createPrivateKey(keyPem.reveal()))
      return isOurs && lacking(found, this.#line) === undefined ? found : null
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
    this.#log.info(`${name}: a new certificate`, { ends: new Date(ends(leaf)).toISOString() })
    return new Map([
      [certificate.name, new Secret(certificatePem)],
      [key.name, new Secret(pair.privateKey.export({ type: "pkcs8", format: "pem" }))],
      [ca.name, new Secret(caPem)],
    ])
  }
}

/** Two thirds of its life, in milliseconds since 1970. */
function dueAt(certificate: X509Certificate): number {
  const from = Date.parse(certificate.validFrom)
  return from + ((ends(certificate) - from) * 2) / 3
}

/** In milliseconds since 1970. Early Node 22 has only the text. */
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

/** The first of a PEM. */
function parsed(pem: unknown): X509Certificate {
  if (typeof pem !== "string" || pem.length > maxPemBytes || !pem.startsWith("-----BEGIN CERTIFICATE-----"))
    throw new TypeError("not a PEM certificate")
  return new X509Certificate(pem)
}

/** Throws `ERR_CERTIFICATE` for one that nobody could use. */
function checkLeaf(leaf: X509Certificate, key: KeyObject, line: CertificateLine): void {
  const bad = (why: string): PurserError =>
    new PurserError("ERR_CERTIFICATE", `the agent's certificate for ${line.name} ${why}`)
  if (!leaf.checkPrivateKey(key)) throw bad("is for another key")
  if (ends(leaf) <= Date.now()) throw bad("has ended already")
  const missing = lacking(leaf, line)
  if (missing !== undefined) throw bad(`does not hold ${missing}`)
}

/** A name of the line that the certificate does not hold. */
function lacking(leaf: X509Certificate, { dns, ip, email }: CertificateLine): string | undefined {
  const strictly = { subject: "never", wildcards: false } as const
  const names = new Set(leaf.subjectAltName?.split(", "))
  return (
    dns.find((name) => !names.has(`DNS:${name}`)) ??
    ip.find((address) => leaf.checkIP(address) === undefined) ??
    email.find((mailbox) => leaf.checkEmail(mailbox, strictly) === undefined)
  )
}
