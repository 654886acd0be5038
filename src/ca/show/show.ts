import { createHash, createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from "node:crypto"
import { PurserError, isPurserError } from "../../base/errors.ts"
import { childrenOf } from "../../x509/der-elements.ts"
import { pemBlocks, readCertificates } from "../pem.ts"
import { describeCrl, type DescribedCrl } from "./crl.ts"
import { readExtensions, type DescribedExtensions } from "./extensions.ts"
import { keyTypeText, pinText } from "./key.ts"
import { nameText } from "./name.ts"
import { describeRequest, type DescribedRequest } from "./request.ts"

/**
 * Decodes a file of certificates, requests, revocation lists and keys, in PEM, DER or PKCS#7. It verifies only the
 * signatures of requests and self-signed certificates. The results are untrusted text and not escaped, so that JSON
 * output has them unchanged.
 */

export interface Described {
  readonly items: readonly DescribedItem[]
}

export type DescribedItem =
  DescribedCertificate | DescribedRequest | DescribedCrl | DescribedKey | DescribedOther

export interface DescribedCertificate extends DescribedExtensions {
  readonly type: "certificate"
  readonly subject: string
  readonly issuer: string
  /** Lower-case hex. */
  readonly serial: string
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
  /** Whole days until it expires; negative if it has expired. */
  readonly daysLeft: number
  readonly selfSigned: boolean
  readonly keyType: string
  /** The SHA-256 of the DER, lower-case hex. */
  readonly sha256: string
  /** Pin of the public key: `sha256:` and base64url. */
  readonly pin: string
}

/** A public or private key, described by its public part only. */
export interface DescribedKey {
  readonly type: "key"
  readonly private: boolean
  readonly encrypted: boolean
  /** Null if the key is encrypted or damaged. */
  readonly keyType: string | null
  readonly pin: string | null
}

export interface DescribedOther {
  readonly type: "other"
  /** The label of the PEM block. */
  readonly label: string
}

const maxBytes = 1024 * 1024
const maxItems = 200
const dayMs = 86_400_000

/** Throws `ERR_CERTIFICATE` if the content is damaged or of another kind. */
export async function describe(bytes: Buffer, now = new Date()): Promise<Described> {
  if (bytes.length > maxBytes) throw bad(`there are more than ${maxBytes} bytes`)
  try {
    const blocks = pemBlocks(bytes)
    if (blocks.length > maxItems) throw bad(`there are more than ${maxItems} blocks`)
    if (blocks.length === 0) return { items: await describeDer(bytes, now) }
    const items: DescribedItem[] = []
    for (const block of blocks) items.push(...(await describeBlock(block, now)))
    return { items }
  } catch (error) {
    if (isPurserError(error)) throw error
    // The library's message could repeat parts of the file, so it is not passed on.
    throw bad(
      "it cannot be read",
      "give certificates, PKCS#7, requests, revocation lists or keys, in PEM or DER",
    )
  }
}

async function describeBlock(
  { label, der, encrypted }: ReturnType<typeof pemBlocks>[number],
  now: Date,
): Promise<DescribedItem[]> {
  if (label.endsWith("PRIVATE KEY")) return [privateKey(label, der, encrypted)]
  if (label === "PUBLIC KEY")
    return [ofKey(createPublicKey({ key: der, format: "der", type: "spki" }), false)]
  if (label === "X509 CRL") return [describeCrl(der)]
  if (/^(?:NEW )?CERTIFICATE REQUEST$/.test(label)) return [describeRequest(der)]
  if (/^(?:X509 |TRUSTED )?CERTIFICATE$/.test(label)) return [certificate(new X509Certificate(der), now)]
  if (/^(?:PKCS7|PKCS #7 SIGNED DATA|CMS)$/.test(label)) return await bundle(der, now)
  return [{ type: "other", label }]
}

async function describeDer(der: Buffer, now: Date): Promise<DescribedItem[]> {
  const ways: (() => DescribedItem[] | Promise<DescribedItem[]>)[] = [
    () => bundle(der, now),
    () => [describeRequest(der)],
    () => [describeCrl(der)],
    () => [ofKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }), true)],
    () => [ofKey(createPublicKey({ key: der, format: "der", type: "spki" }), false)],
  ]
  for (const way of ways) {
    try {
      return await way()
    } catch {
      // The content is of another kind, so the next one is tried.
    }
  }
  throw new TypeError("not a known kind of content")
}

/** Describes one certificate, or those of a PKCS#7. */
async function bundle(der: Buffer, now: Date): Promise<DescribedItem[]> {
  return (await readCertificates(der)).map((one) => certificate(one, now))
}

function certificate(one: X509Certificate, now: Date): DescribedCertificate {
  const [body] = childrenOf(one.raw)
  if (body === undefined) throw new TypeError("not a certificate")
  const fields = childrenOf(body)
  // The version is optional.
  const first = fields[0]?.[0] === 0xa0 ? 1 : 0
  const [issuer, subject] = [fields[first + 2], fields[first + 4]]
  if (issuer === undefined || subject === undefined) throw new TypeError("not a certificate")
  const explicit = fields.find((field) => field[0] === 0xa3)
  return {
    type: "certificate",
    subject: nameText(subject),
    issuer: nameText(issuer),
    serial: one.serialNumber.toLowerCase(),
    notBefore: one.validFromDate.toISOString(),
    notAfter: one.validToDate.toISOString(),
    daysLeft: Math.floor((one.validToDate.getTime() - now.getTime()) / dayMs),
    selfSigned: issuer.equals(subject) && signedItself(one),
    ...keyFacts(one),
    ...readExtensions(explicit === undefined ? [] : childrenOf(explicit)),
    sha256: createHash("sha256").update(one.raw).digest("hex"),
  }
}

/** The type is `unknown` and the pin empty for a key that OpenSSL does not support. */
function keyFacts(one: X509Certificate): { keyType: string; pin: string } {
  try {
    return { keyType: keyTypeText(one.publicKey), pin: pinText(one.publicKey) }
  } catch {
    return { keyType: "unknown", pin: "" }
  }
}

function signedItself(one: X509Certificate): boolean {
  try {
    return one.verify(one.publicKey)
  } catch {
    return false
  }
}

function privateKey(label: string, der: Buffer, encrypted: boolean): DescribedKey {
  if (encrypted || label === "ENCRYPTED PRIVATE KEY")
    return { type: "key", private: true, encrypted: true, keyType: null, pin: null }
  const type = label === "RSA PRIVATE KEY" ? "pkcs1" : label === "EC PRIVATE KEY" ? "sec1" : "pkcs8"
  try {
    return ofKey(createPrivateKey({ key: der, format: "der", type }), true)
  } catch {
    return { type: "key", private: true, encrypted: false, keyType: null, pin: null }
  }
}

function ofKey(key: KeyObject, isPrivate: boolean): DescribedKey {
  const publicKey = isPrivate ? createPublicKey(key) : key
  return {
    type: "key",
    private: isPrivate,
    encrypted: false,
    keyType: keyTypeText(publicKey),
    pin: pinText(publicKey),
  }
}

function bad(why: string, hint?: string): PurserError {
  return new PurserError("ERR_CERTIFICATE", `this cannot be shown: ${why}`, { hint })
}
