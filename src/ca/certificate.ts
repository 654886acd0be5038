import { createHash, createPublicKey, randomBytes, sign, X509Certificate, type KeyObject } from "node:crypto"
import { addressBytes, generalNames } from "../x509/csr.ts"
import { keyFamilyOf, keyFamilies, signatureAlgorithm } from "../x509/key-families.ts"
import * as der from "../x509/der.ts"
import { PurserError } from "../base/errors.ts"
import type { CertificateSpec } from "./certificate-spec.ts"
import type { Constraints } from "./config.ts"
import { childrenOf, contentOf, subjectOf } from "../x509/der-elements.ts"

/**
 * Writes X.509 v3 certificates as RFC 5280 describes them. It does not check what may be issued: policy.ts and
 * constraints.ts do that before, and {@link validity} limits the lifetime.
 */

export interface Issuer {
  /** DER. */
  readonly certificate: Buffer
  readonly key: KeyObject
}

export interface Profile {
  readonly kind: "root" | "intermediate" | "leaf"
  /** Common name. Empty for a leaf: its first host or mail name of at most 64 characters. */
  readonly subject: string
  readonly publicKey: KeyObject
  readonly serial: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  /** Required for a leaf, as `checkNames` returns it. */
  readonly ask?: CertificateSpec
  readonly constraints?: Constraints
  /** How many CAs may follow below this one. */
  readonly pathLength?: number
  readonly crlUrl?: string
}

const skewMs = 5 * 60_000
const dayMs = 86_400_000
/** ub-common-name (RFC 5280 appendix A.1), in characters. */
const longestCommonName = 64

/** Signs a certificate; DER. For a root, which signs itself, `issuer` is its own private key. */
export function signCertificate(profile: Profile, issuer: Issuer | KeyObject): Buffer {
  const { publicKey, serial, notBefore, notAfter, kind } = profile
  const isSelfSigned = !("certificate" in issuer)
  const key = isSelfSigned ? issuer : issuer.key
  const { identifier, hash } = signatureAlgorithm(key)
  const subject = subjectFor(profile)
  const spki = publicKey.export({ type: "spki", format: "der" })
  const body = der.sequence(
    der.contextTag(0, der.integer(2)),
    der.integer(serial),
    identifier,
    isSelfSigned ? subject : subjectOf(issuer.certificate),
    der.sequence(der.time(notBefore), der.time(notAfter)),
    subject,
    spki,
    der.contextTag(
      3,
      der.sequence(
        ...(kind === "leaf" ? leafExtensions(profile) : caExtensions(profile)),
        extension("2.5.29.14", der.octetString(keyIdentifier(publicKey))),
        extension("2.5.29.35", der.sequence(der.contextPrimitive(0, keyIdentifier(createPublicKey(key))))),
        ...(profile.crlUrl === undefined ? [] : [distributionPoint(profile.crlUrl)]),
      ),
    ),
  )
  return der.sequence(body, identifier, der.bitString(sign(hash, body, key)))
}

/** 128 random bits. The first byte is never zero, because programs leave leading zeros out of the hex form. */
export function newSerial(): Buffer {
  for (;;) {
    const bytes = randomBytes(16)
    if (bytes[0] !== 0) return bytes
  }
}

/**
 * The lifetime of a certificate: from 5 minutes before now, because clocks differ, to `days` after now, within the
 * issuer's lifetime. Throws `ERR_CLOCK` if the issuer is not valid yet, and `ERR_CA_POLICY` if the certificate would
 * outlive its issuer; with `cap` it expires with its issuer instead.
 */
export function validity(
  now: Date,
  days: number,
  issuer: X509Certificate,
  { cap = false }: { cap?: boolean | undefined } = {},
): { notBefore: Date; notAfter: Date } {
  const [start, end] = [issuer.validFromDate, issuer.validToDate]
  if (now < start) {
    throw new PurserError(
      "ERR_CLOCK",
      `this machine's clock says ${now.toISOString()}, but the CA is valid only from ${start.toISOString()}`,
      { hint: "set the clock of this machine" },
    )
  }
  const wholeSeconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000)
  const notBefore = wholeSeconds(Math.max(now.getTime() - skewMs, start.getTime()))
  const notAfter = wholeSeconds(now.getTime() + days * dayMs)
  if (notAfter <= end) return { notBefore, notAfter }
  if (cap && end > now) return { notBefore, notAfter: end }
  const most = Math.max(0, Math.floor((end.getTime() - now.getTime()) / dayMs))
  throw new PurserError(
    "ERR_CA_POLICY",
    `a certificate of ${days} days would outlive its issuer, which has ${most} left`,
    {
      hint: `the issuer expires at ${end.toISOString()}: ask for fewer days, or renew it: purser ca intermediate`,
    },
  )
}

/** SHA-1 of the key's bits, method 1 of RFC 5280 section 4.2.1.2. It only names the key, so SHA-1 is safe here. */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: "spki", format: "der" })
  return createHash("sha1").update(bitsOf(spki)).digest()
}

/** The content of the BIT STRING at the end of an SPKI. */
function bitsOf(spki: Buffer): Buffer {
  const elements = childrenOf(spki)
  const bits = elements[1]
  if (bits === undefined) throw new TypeError("not an SPKI")
  return contentOf(bits).subarray(1)
}

function subjectFor({ kind, subject, ask }: Profile): Buffer {
  if (kind !== "leaf") return nameOf(subject)
  // Never an address, because without a DNS name verifiers may take the common name for a host name and apply name
  // constraints to it.
  const names = [subject, ...(ask?.dns ?? []), ...(ask?.email ?? [])]
  return nameOf(names.find((name) => name !== "" && name.length <= longestCommonName) ?? "")
}

/** A Name (RDNSequence) with a common name; without any part if that is empty. */
function nameOf(commonName: string): Buffer {
  if (commonName === "") return der.sequence()
  return der.sequence(der.set(der.sequence(der.oid("2.5.4.3"), der.utf8(commonName))))
}

function leafExtensions(profile: Profile): Buffer[] {
  const { publicKey, ask } = profile
  if (ask === undefined) throw new TypeError("a leaf needs names")
  const enciphers = keyFamilyOf(publicKey, keyFamilies)?.enciphers === true
  const isNameless = subjectFor(profile).length === der.sequence().length
  const purposes = [
    "1.3.6.1.5.5.7.3.1",
    ...(ask.client ? ["1.3.6.1.5.5.7.3.2"] : []),
    ...(ask.email.length > 0 ? ["1.3.6.1.5.5.7.3.4"] : []),
  ]
  return [
    extension("2.5.29.19", der.sequence(), true),
    // digitalSignature, and keyEncipherment.
    extension("2.5.29.15", der.bitString(Uint8Array.of(enciphers ? 0xa0 : 0x80), enciphers ? 5 : 7), true),
    extension("2.5.29.37", der.sequence(...purposes.map(der.oid))),
    extension("2.5.29.17", generalNames(ask), isNameless),
  ]
}

function caExtensions({ pathLength, constraints }: Profile): Buffer[] {
  const length = pathLength === undefined ? [] : [der.integer(pathLength)]
  return [
    extension("2.5.29.19", der.sequence(der.boolean(true), ...length), true),
    // keyCertSign and cRLSign.
    extension("2.5.29.15", der.bitString(Uint8Array.of(0x06), 1), true),
    ...nameConstraints(constraints),
  ]
}

/**
 * The name constraints extension (RFC 5280 section 4.2.1.10); none without rules. Constraining one kind of name leaves
 * the other kinds free, so these are excluded as a whole. Mail is instead permitted for a domain that never exists (RFC
 * 6761), because OpenSSL ignores the exclusion of all mail.
 */
function nameConstraints(constraints: Constraints | undefined): Buffer[] {
  const { dns = [], ip = [], email = [] } = constraints ?? {}
  if (dns.length + ip.length + email.length === 0) return []
  const ascii = (text: string): Buffer => Buffer.from(text, "latin1")
  const subtree = (base: Buffer): Buffer => der.sequence(base)
  const mail = email.length > 0 ? email : ["@invalid"]
  const permitted = [
    ...mail.map((rule) => subtree(der.contextPrimitive(1, ascii(rule.replace(/^@/, ""))))),
    // shop.lan covers the names below it too. OpenSSL, GnuTLS and NSS read .shop.lan as only the names below it, although
    // RFC 5280 defines the leading dot for mail hosts only.
    ...dns.map((rule) => subtree(der.contextPrimitive(2, ascii(rule)))),
    ...ip.map((rule) => subtree(der.contextPrimitive(7, network(rule)))),
  ]
  const excluded = [
    ...(dns.length > 0 ? [] : [subtree(der.contextPrimitive(2, ascii("")))]),
    ...(ip.length > 0
      ? []
      : [
          subtree(der.contextPrimitive(7, Buffer.alloc(8))),
          subtree(der.contextPrimitive(7, Buffer.alloc(32))),
        ]),
  ]
  const lists = [
    der.contextTag(0, ...permitted),
    ...(excluded.length > 0 ? [der.contextTag(1, ...excluded)] : []),
  ]
  return [extension("2.5.29.30", der.sequence(...lists), true)]
}

/** The address and mask of an address or CIDR, 4 or 16 bytes each. */
function network(rule: string): Buffer {
  const [text = "", bits] = rule.split("/")
  const address = addressBytes(text)
  const length = bits === undefined ? address.length * 8 : Number(bits)
  const mask = Buffer.from(
    address.map((_, index) => 0xff & ~(0xff >> Math.min(8, Math.max(0, length - index * 8)))),
  )
  return Buffer.concat([address.map((byte, index) => byte & (mask[index] ?? 0)), mask])
}

function distributionPoint(url: string): Buffer {
  const names = der.contextTag(0, der.contextPrimitive(6, Buffer.from(url, "latin1")))
  return extension("2.5.29.31", der.sequence(der.sequence(der.contextTag(0, names))))
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octetString(value))
}
