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

/**
 * Reads and writes certificate requests (PKCS#10, RFC 2986). A request that is read is untrusted: its key, signature and
 * encoding are checked here, its names by the policy.
 */

export interface ReadRequest<Name extends string = KeyTypeName> extends SubjectNames {
  readonly publicKey: KeyObject
  /** Null for a type that is never made here although its family is known, such as RSA of an unusual size. */
  readonly keyType: Name | null
  /** The common name; empty without one. */
  readonly subject: string
  /** Kinds of the requested names that are never issued, such as `URI` and `otherName`. */
  readonly otherNames: readonly string[]
  /** Object identifiers of all requested extensions besides the names. They do not go into the certificate. */
  readonly otherExtensions: readonly string[]
}

const maxBytes = 65_536
const [extensionRequest, commonName] = ["1.2.840.113549.1.9.14", "2.5.4.3"]
const [subjectAltName, basicConstraints, keyUsage] = ["2.5.29.17", "2.5.29.19", "2.5.29.15"]
const checked = [subjectAltName, basicConstraints, keyUsage]
const keyCertSign = 0x04
/** The choices of GeneralName (RFC 5280 section 4.2.1.6) that are never issued. */
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
 * Reads a request in PEM or DER. Throws `ERR_CERTIFICATE` for malformed input, an invalid or weak signature, a weak key
 * or one of an unknown kind, and a request for a CA certificate. The names are not checked yet.
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
    // The key is checked before the signature, so that no signature is verified with an oversized key.
    const family = checkKey(publicKey, families)
    checkSignature(der, request, { publicKey, family, families })
    const extensions = extensionsOf(request, schemas)
    if (wantsCa(extensions, schemas)) {
      throw bad("it asks for a CA certificate", "only purser ca intermediate makes intermediates")
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
    // The library's message could repeat parts of the request, so it is not passed on.
    throw bad("it cannot be read", "give PEM or DER, as `openssl req -new` writes it")
  }
}

/** Writes a request, signed with `key`; PEM. */
export function writeRequest(key: KeyObject, ask: CertificateSpec): string {
  const first = ask.commonName ?? [...ask.dns, ...ask.email].find((name) => name.length <= 64)
  return certificateRequest(key, signatureAlgorithm(key), ask, first)
}

/** Returns the DER of the only request, after checking that it has no elements besides those of RFC 2986. */
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

/** Reads the public key from the signed bytes themselves, not from a parser's copy. */
function keyOf(der: Buffer, families: readonly KeyFamily[]): KeyObject {
  const [info] = childrenOf(der)
  const spki = info && childrenOf(info)[2]
  if (spki === undefined) throw new TypeError("no key")
  const key = publicKeyOf(spki, families)
  const [algorithm] = childrenOf(spki)
  const parameters = algorithm && childrenOf(algorithm)[1]
  // RFC 5480 section 2.1.1: the curve must be given by name. Programs reject certificates with explicit parameters.
  if (key.asymmetricKeyType === "ec" && parameters?.[0] !== 0x06)
    throw bad("its key gives its curve by parameters", "make the key with a named curve: P-256 or P-384")
  return key
}

function publicKeyOf(spki: Buffer, families: readonly KeyFamily[]): KeyObject {
  try {
    return createPublicKey({ key: spki, format: "der", type: "spki" })
  } catch {
    throw bad("its key is of an unknown kind", supportedKeys(families))
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
      "its signature algorithm is weak or unknown",
      "sign it with SHA-256 or better: openssl req -sha256",
    )
  }
  const [info, , bits] = childrenOf(der)
  const hash = Object.hasOwn(family.accepts, algorithmId) ? family.accepts[algorithmId] : undefined
  const signature = bits && contentOf(bits).subarray(1)
  if (!info || !signature || hash === undefined || !verify(hash, info, publicKey, signature))
    throw bad("its signature is invalid", "the request was changed, or signed with another key")
}

function checkKey(key: KeyObject, families: readonly KeyFamily[]): KeyFamily {
  const family = keyFamilyOf(key, families)
  if (family === undefined) throw bad("its key is of an unsupported kind", supportedKeys(families))
  const weakness = family.weakness(key)
  if (weakness !== null) throw bad(weakness.why, weakness.hint)
  return family
}

function supportedKeys(families: readonly KeyFamily[]): string {
  return `use ${anyOf(families.map(({ title }) => title))}`
}

function extensionsOf({ attributes = [] }: CertificationRequest, of: Schemas): readonly Extension[] {
  const asked = attributes.filter(({ type }) => type === extensionRequest)
  const [first, ...more] = asked.flatMap(({ values }) => values as unknown[])
  if (first === undefined) return []
  if (more.length > 0) throw bad("it has two lists of extensions")
  const { extensions } = new of.Extensions({ schema: first })
  for (const { extnID, extnValue } of extensions) {
    if (checked.includes(extnID)) assertDer(Buffer.from(extnValue.valueBlock.valueHexView))
  }
  const ids = extensions.map(({ extnID }) => extnID)
  if (new Set(ids).size !== ids.length) throw bad("it asks for an extension twice")
  return extensions
}

function wantsCa(extensions: readonly Extension[], { BasicConstraints }: Schemas): boolean {
  return extensions.some(({ extnID, extnValue, parsedValue: value }) => {
    if (extnID === basicConstraints) return !(value instanceof BasicConstraints) || value.cA
    // The value is a BIT STRING: tag, length, number of unused bits, then the first eight usages.
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
    throw bad("one of its names has characters that are not allowed")
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
  if (bytes.length !== 16) throw bad("one of its addresses has neither 4 nor 16 bytes")
  const groups = Buffer.from(bytes).toString("hex").match(/.{4}/g) ?? []
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address
}

function subjectOf({ subject }: CertificationRequest): string {
  const found = subject.typesAndValues.find(({ type }) => type === commonName)
  const value: unknown = found?.value.valueBlock.value
  return typeof value === "string" ? value : ""
}

function bad(why: string, hint?: string): PurserError {
  return new PurserError("ERR_CERTIFICATE", `the certificate request is rejected: ${why}`, { hint })
}
