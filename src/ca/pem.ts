import { X509Certificate } from "node:crypto"
import type { BaseBlock } from "asn1js"
import { PurserError, isPurserError } from "../base/errors.ts"

/** Reads certificates of other CAs in PEM, DER or PKCS#7, with bounded sizes. It checks no signature. */

export interface PemBlock {
  /** `CERTIFICATE`, `PKCS7`, … */
  readonly label: string
  readonly der: Buffer
  /** True for a key of the form before PKCS#8 with an encryption header. For PKCS#8 the label tells. */
  readonly encrypted: boolean
}

const maxBytes = 1024 * 1024
const maxCertificates = 100
const signedData = "1.2.840.113549.1.7.2"

/** The PEM blocks in their order; empty without any. Text between them is skipped (RFC 7468 section 2). */
export function pemBlocks(bytes: Buffer): PemBlock[] {
  const text = bytes.subarray(0, maxBytes).toString("latin1")
  // Each part is searched for its own end only, so that many unfinished blocks do not cost quadratic time.
  return text.split("-----BEGIN ").flatMap((part, index) => {
    const label = index === 0 ? undefined : /^([A-Z0-9 #]{1,40})-----/.exec(part)?.[1]
    const end = label === undefined ? -1 : part.indexOf(`-----END ${label}-----`)
    if (label === undefined || end === -1) return []
    const body = part.slice(label.length + 5, end)
    // Headers of old encrypted keys end with an empty line.
    const headers = body.includes(":") ? body.search(/\n\r?\n/) : -1
    const base64 = headers === -1 ? body : body.slice(headers)
    const encrypted = headers !== -1 && body.slice(0, headers).includes("ENCRYPTED")
    return [{ label, der: Buffer.from(base64, "base64"), encrypted }]
  })
}

/**
 * Reads the certificates in the order of the file, without duplicates; private keys and other blocks are skipped.
 * `name`: the file, for messages. Throws `ERR_CERTIFICATE`.
 */
export async function readCertificates(
  bytes: Buffer,
  name = "the input",
): Promise<readonly X509Certificate[]> {
  const bad = (why: string, hint?: string): PurserError =>
    new PurserError("ERR_CERTIFICATE", `${name} ${why}`, { hint })
  if (bytes.length > maxBytes) throw bad(`has more than ${maxBytes} bytes`)
  const blocks = pemBlocks(bytes)
  const found: X509Certificate[] = []
  try {
    if (blocks.length === 0) found.push(...(await certificatesIn(bytes)))
    for (const { label, der } of blocks) {
      if (["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"].includes(label))
        found.push(certificate(der))
      else if (["PKCS7", "PKCS #7 SIGNED DATA", "CMS"].includes(label)) found.push(...(await bundled(der)))
    }
  } catch (error) {
    if (isPurserError(error)) throw error
    // The library's message could repeat parts of the file, so it is not passed on.
    throw bad("cannot be read as certificates", "give PEM, DER or PKCS#7; purser ca show decodes it")
  }
  if (found.length === 0) throw bad("holds no certificate", "purser ca show decodes it")
  if (found.length > maxCertificates) throw bad(`holds more than ${maxCertificates} certificates`)
  const seen = new Set<string>()
  return found.filter(({ fingerprint256 }) => !seen.has(fingerprint256) && seen.add(fingerprint256))
}

/** Reads DER: one certificate, or a PKCS#7. */
async function certificatesIn(der: Buffer): Promise<X509Certificate[]> {
  try {
    return [certificate(der)]
  } catch {
    return await bundled(der)
  }
}

function certificate(der: Buffer): X509Certificate {
  const found = new X509Certificate(der)
  // OpenSSL ignores bytes after the first element.
  if (found.raw.length !== der.length) throw new TypeError("more than a certificate")
  return found
}

/**
 * The certificates of a SignedData (RFC 5652 section 5.1), which usually has no signature:
 * ContentInfo { type, [0] { version, …, [0] certificates } }.
 */
async function bundled(ber: Buffer): Promise<X509Certificate[]> {
  const { fromBER, ObjectIdentifier } = await import("asn1js")
  const { result, offset } = fromBER(ber)
  if (offset === -1) throw new TypeError("not BER")
  const [type, content] = childrenOf(result)
  if (!(type instanceof ObjectIdentifier) || type.getValue() !== signedData)
    throw new TypeError("not SignedData")
  const [signed] = childrenOf(content)
  const set = childrenOf(signed).find(({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === 0)
  return childrenOf(set)
    .filter(({ idBlock }) => idBlock.tagClass === 1 && idBlock.tagNumber === 16)
    .map((one) => certificate(Buffer.from(one.valueBeforeDecodeView)))
}

function childrenOf(block: BaseBlock | undefined): BaseBlock[] {
  const value: unknown = block?.valueBlock
  if (typeof value !== "object" || value === null || !("value" in value) || !Array.isArray(value.value))
    return []
  return value.value as BaseBlock[]
}
