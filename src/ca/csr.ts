import { createPublicKey, verify, type KeyObject } from "node:crypto"
import { SocketAddress } from "node:net"
import type * as Pkijs from "pkijs"
import type { CertificationRequest, Extension, GeneralName } from "pkijs"
import { certificateRequest, type SubjectNames } from "../x509/csr.ts"
import { PurserError, isPurserError } from "../base/errors.ts"
import type { CertificateSpec } from "./certificate-spec.ts"
import {
  anyOf,
  keyFamilyOf,
  keyFamilies,
  type KeyTypeName,
  signatureAlgorithm,
} from "../x509/key-families.ts"
import type { KeyFamily } from "../x509/key-family.ts"
import { assertDer, childrenOf, contentOf } from "../x509/der-elements.ts"
import { keyTypeOf } from "./keys.ts"

/** Certificate requests (PKCS#10, RFC 2986): what a stranger asks for, as far as we look at it. */

export interface ReadRequest<Name extends string = KeyTypeName> extends SubjectNames {
  readonly publicKey: KeyObject
  /** Null for a type that is never made here although its family is known: RSA of an unusual size. */
  readonly keyType: Name | null
  /** The common name; empty when there is none. */
  readonly subject: string
  /** Names of kinds that are never issued: URI, otherName and their like. */
  readonly otherNames: readonly string[]
  /** Object identifiers of the extensions that were asked for and are not heeded. */
  readonly otherExtensions: readonly string[]
}

const maxBytes = 65_536
const [extensionRequest, commonName] = ["1.2.840.113549.1.9.14", "2.5.4.3"]
const [subjectAltName, basicConstraints, keyUsage] = ["2.5.29.17", "2.5.29.19", "2.5.29.15"]
const heeded = [subjectAltName, basicConstraints, keyUsage]
const keyCertSign = 0x04
/** RFC 5280 section 4.2.1.6: the choices of GeneralName that are never issued. */
const kinds: Readonly<Record<number, string>> = {
  0: "otherName",
  3: "x400Address",
  4: "directoryName",
  5: "ediPartyName",
  6: "URI",
  8: "registeredID",
}

type Schemas = typeof Pkijs

/**
 * PEM or DER. Throws `ERR_CERTIFICATE`: what cannot be read, a signature that does not hold or is a weak one, a key that
 * is too weak or of no known kind, and a request to become a CA. Names are as the request has them, not yet checked.
 */
export async function readRequest(bytes: Buffer): Promise<ReadRequest>
export async function readRequest<Name extends string>(
  bytes: Buffer,
  families: readonly KeyFamily<Name>[],
): Promise<ReadRequest<Name>>
export async function readRequest(
  bytes: Buffer,
  families: readonly KeyFamily[] = keyFamilies,
): Promise<ReadRequest<string>> {
  try {
    const der = derOf(bytes)
    const schemas = await import("pkijs")
    const request = schemas.CertificationRequest.fromBER(der)
    const publicKey = keyOf(der, families)
    // First the key: what is too large is not computed with.
    const family = checkKey(publicKey, families)
    checkSignature(der, request, { publicKey, family, families })
    const extensions = extensionsOf(request, schemas)
    if (wantsCa(extensions, schemas)) {
      throw bad(
        "it asks for the certificate of a CA",
        "intermediates are made by purser ca intermediate alone",
      )
    }
    return {
      publicKey,
      keyType: keyTypeOf(publicKey, families),
      subject: subjectOf(request),
      ...namesOf(extensions, schemas),
      otherExtensions: extensions.map(({ extnID }) => extnID).filter((id) => id !== subjectAltName),
    }
  } catch (error) {
    if (isPurserError(error)) throw error
    // A library's own words could repeat parts of the request.
    throw bad("it cannot be read", "PEM or DER, as `openssl req -new` writes it")
  }
}

/** PEM. */
export function writeRequest(key: KeyObject, ask: CertificateSpec): string {
  const first = ask.commonName ?? [...ask.dns, ...ask.email].find((name) => name.length <= 64)
  return certificateRequest(key, signatureAlgorithm(key), ask, first)
}

/** Exactly one element, of DER alone: after the info nothing but its algorithm and signature, and in it nothing extra. */
function derOf(bytes: Buffer): Buffer {
  if (bytes.length > maxBytes) throw bad(`it has more than ${maxBytes} bytes`)
  const text = bytes.toString("latin1")
  const blocks = [
    ...text.matchAll(
      /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]*)-----END (?:NEW )?CERTIFICATE REQUEST-----/g,
    ),
  ]
  if (blocks.length > 1) throw bad("it holds more than one request", "sign them one by one")
  const body = blocks[0]?.[1]
  const der = body === undefined ? bytes : Buffer.from(body, "base64")
  assertDer(der)
  const [info, ...signed] = childrenOf(der)
  const [, , , attributes, ...more] = info === undefined ? [] : childrenOf(info)
  if (signed.length !== 2 || more.length > 0 || (attributes !== undefined && attributes[0] !== 0xa0))
    throw new TypeError("not a request")
  return der
}

/** From the very bytes that were signed. */
function keyOf(der: Buffer, families: readonly KeyFamily[]): KeyObject {
  const [info] = childrenOf(der)
  const spki = info && childrenOf(info)[2]
  if (spki === undefined) throw new TypeError("no key")
  const key = publicKeyOf(spki, families)
  const [algorithm] = childrenOf(spki)
  const parameters = algorithm && childrenOf(algorithm)[1]
  // RFC 5480 section 2.1.1: a curve is named. Programs refuse certificates where it is written out.
  if (key.asymmetricKeyType === "ec" && parameters?.[0] !== 0x06)
    throw bad("its key does not name its curve", "make it with the curve's name: P-256 or P-384")
  return key
}

function publicKeyOf(spki: Buffer, families: readonly KeyFamily[]): KeyObject {
  try {
    return createPublicKey({ key: spki, format: "der", type: "spki" })
  } catch {
    throw bad("its key is of a kind that is not known here", use(families))
  }
}

function checkSignature(
  der: Buffer,
  request: CertificationRequest,
  {
    publicKey,
    family,
    families,
  }: { publicKey: KeyObject; family: KeyFamily; families: readonly KeyFamily[] },
): void {
  const { algorithmId } = request.signatureAlgorithm
  if (!families.some(({ accepts }) => Object.hasOwn(accepts, algorithmId))) {
    throw bad(
      "its signature is of a kind that is weak, or not known here",
      "sign it with SHA-256 or better: openssl req -sha256",
    )
  }
  const [info, , bits] = childrenOf(der)
  const hash = Object.hasOwn(family.accepts, algorithmId) ? family.accepts[algorithmId] : undefined
  const signature = bits && contentOf(bits).subarray(1)
  if (!info || !signature || hash === undefined || !verify(hash, info, publicKey, signature))
    throw bad("its signature does not hold", "it was changed on the way, or signed by another key")
}

function checkKey(key: KeyObject, families: readonly KeyFamily[]): KeyFamily {
  const family = keyFamilyOf(key, families)
  if (family === undefined) throw bad("its key is of a kind that is not signed here", use(families))
  const weakness = family.weakness(key)
  if (weakness !== null) throw bad(weakness.why, weakness.hint)
  return family
}

function use(families: readonly KeyFamily[]): string {
  return `use ${anyOf(families.map(({ title }) => title))}`
}

function extensionsOf({ attributes = [] }: CertificationRequest, of: Schemas): readonly Extension[] {
  const asked = attributes.filter(({ type }) => type === extensionRequest)
  const [first, ...more] = asked.flatMap(({ values }) => values as unknown[])
  if (first === undefined) return []
  if (more.length > 0) throw bad("it asks for extensions twice")
  const { extensions } = new of.Extensions({ schema: first })
  for (const { extnID, extnValue } of extensions) {
    if (heeded.includes(extnID)) assertDer(Buffer.from(extnValue.valueBlock.valueHexView))
  }
  const ids = extensions.map(({ extnID }) => extnID)
  if (new Set(ids).size !== ids.length) throw bad("it asks for an extension twice")
  return extensions
}

function wantsCa(extensions: readonly Extension[], { BasicConstraints }: Schemas): boolean {
  return extensions.some(({ extnID, extnValue, parsedValue: value }) => {
    if (extnID === basicConstraints) return !(value instanceof BasicConstraints) || value.cA
    // A BIT STRING: tag, length, unused bits, and then the first eight usages.
    const bytes = extnValue.valueBlock.valueHexView
    if (extnID === keyUsage && bytes[0] !== 0x03) throw new TypeError("not usages")
    return extnID === keyUsage && ((bytes[3] ?? 0) & keyCertSign) !== 0
  })
}

function namesOf(
  extensions: readonly Extension[],
  { AltName }: Schemas,
): SubjectNames & { otherNames: readonly string[] } {
  const found = extensions.find(({ extnID }) => extnID === subjectAltName)
  if (found !== undefined && !(found.parsedValue instanceof AltName)) throw new TypeError("not names")
  const all: readonly GeneralName[] = found?.parsedValue instanceof AltName ? found.parsedValue.altNames : []
  const of = (type: number): GeneralName[] => all.filter((name) => name.type === type)
  const text = (name: GeneralName): string => {
    if (typeof name.value === "string" && !/[^\x21-\x7e]/.test(name.value)) return name.value
    throw bad("it holds a name of other characters than names have")
  }
  return {
    email: of(1).map(text),
    dns: of(2).map(text),
    ip: of(7).map(addressOf),
    otherNames: all
      .filter(({ type }) => ![1, 2, 7].includes(type))
      .map(({ type }) => kinds[type] ?? `kind ${type}`),
  }
}

function addressOf({ value }: GeneralName): string {
  const { valueBlock } = value as { valueBlock: { valueHexView: Uint8Array } }
  const bytes = [...valueBlock.valueHexView]
  if (bytes.length === 4) return bytes.join(".")
  if (bytes.length !== 16) throw bad("it holds an address that is neither of 4 nor of 16 bytes")
  const groups = Buffer.from(bytes).toString("hex").match(/.{4}/g) ?? []
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address
}

function subjectOf({ subject }: CertificationRequest): string {
  const found = subject.typesAndValues.find(({ type }) => type === commonName)
  const value: unknown = found?.value.valueBlock.value
  return typeof value === "string" ? value : ""
}

function bad(why: string, hint?: string): PurserError {
  return new PurserError("ERR_CERTIFICATE", `the certificate request is refused: ${why}`, { hint })
}
