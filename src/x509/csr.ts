import { createPublicKey, sign, type KeyObject } from "node:crypto"
import { isIPv4, isIPv6 } from "node:net"
import * as der from "./der.ts"
import type { SignatureAlgorithm } from "./key-family.ts"

/** Subject alternative names (RFC 5280 section 4.2.1.6). */
export interface SubjectNames {
  readonly dns: readonly string[]
  /** IP addresses as text. */
  readonly ip: readonly string[]
  readonly email: readonly string[]
}

/** Returns a signed certificate request (PKCS#10, RFC 2986) in PEM, whose subject is empty without `commonName`. */
export function certificateRequest(
  key: KeyObject,
  algorithm: SignatureAlgorithm,
  names: SubjectNames,
  commonName?: string,
): string {
  const subject =
    commonName === undefined ? [] : [der.set(der.sequence(der.oid("2.5.4.3"), der.utf8(commonName)))]
  const extensions = der.sequence(der.sequence(der.oid("2.5.29.17"), der.octetString(generalNames(names))))
  const extensionRequest = der.sequence(der.oid("1.2.840.113549.1.9.14"), der.set(extensions))
  const body = der.sequence(
    der.integer(0),
    der.sequence(...subject),
    createPublicKey(key).export({ type: "spki", format: "der" }),
    der.contextTag(0, extensionRequest),
  )
  const signature = sign(algorithm.hash, body, key)
  return der.pem("CERTIFICATE REQUEST", der.sequence(body, algorithm.identifier, der.bitString(signature)))
}

/** Returns GeneralNames, the content of the extension subjectAltName. Throws a `TypeError` for a wrong IP address. */
export function generalNames({ dns, ip, email }: SubjectNames): Buffer {
  const ascii = (text: string): Buffer => Buffer.from(text, "latin1")
  return der.sequence(
    ...email.map((mailbox) => der.contextPrimitive(1, ascii(mailbox))),
    ...dns.map((name) => der.contextPrimitive(2, ascii(name))),
    ...ip.map((address) => der.contextPrimitive(7, addressBytes(address))),
  )
}

/** Returns the 4 or 16 bytes of an IP address. Throws a `TypeError` for any other text. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number))
  if (!isIPv6(address) || address.includes("%")) throw new TypeError(`${address} is not an address`)
  // A dotted IPv4 address at the end stands for two groups.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  const hex = (pair: readonly number[]): string => Buffer.from(pair).toString("hex")
  const [a = 0, b = 0, c = 0, d = 0] = (dotted?.[2] ?? "").split(".").map(Number)
  const text = dotted === null ? address : `${dotted[1]}${hex([a, b])}:${hex([c, d])}`
  const [left = "", right] = text.split("::")
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"))
  const tail = groups(right ?? "")
  const zeros = right === undefined ? 0 : 8 - groups(left).length - tail.length
  const all = [...groups(left), ...Array.from({ length: zeros }, () => "0"), ...tail]
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}
