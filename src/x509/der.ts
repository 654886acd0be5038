/**
 * Writes the DER (X.690) that a certificate or a certificate request needs. Each
 * function returns one complete element. It may not read DER.
 */

export function sequence(...elements: readonly Uint8Array[]): Buffer {
  return element(0x30, ...elements)
}

/** Writes a SET OF, whose elements DER requires in the order of their encodings. */
export function set(...elements: readonly Uint8Array[]): Buffer {
  return element(0x31, ...elements.toSorted((a, b) => Buffer.compare(a, b)))
}

/** Writes an INTEGER: a safe integer, or the big-endian bytes of a non-negative number. */
export function integer(value: number | Uint8Array): Buffer {
  return element(0x02, typeof value === "number" ? signedBytes(value) : unsignedBytes(value))
}

/** Writes an ENUMERATED, as {@link integer} does. */
export function enumerated(value: number): Buffer {
  return element(0x0a, signedBytes(value))
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Uint8Array.of(value ? 0xff : 0))
}

export function nothing(): Buffer {
  return element(0x05)
}

/** Writes an object identifier from its dotted form, `1.2.840.10045.4.3.2`. */
export function oid(dotted: string): Buffer {
  if (!/^[0-2]\.\d{1,9}(\.\d{1,9})*$/.test(dotted))
    throw new TypeError(`${dotted} is not an object identifier`)
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const arcs = [first * 40 + second, ...rest]
  return element(0x06, Buffer.from(arcs.flatMap(base128)))
}

export function utf8(text: string): Buffer {
  return element(0x0c, Buffer.from(text, "utf8"))
}

export function printable(text: string): Buffer {
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) throw new TypeError("not a PrintableString")
  return element(0x13, Buffer.from(text, "latin1"))
}

export function ia5(text: string): Buffer {
  // oxlint-disable-next-line no-control-regex -- IA5 is all of ASCII
  if (!/^[\x00-\x7f]*$/.test(text)) throw new TypeError("not an IA5String")
  return element(0x16, Buffer.from(text, "latin1"))
}

/** Writes a BMPString: UTF-16, big-endian. */
export function bmp(text: string): Buffer {
  return element(0x1e, Buffer.from(text, "utf16le").swap16())
}

/** Writes a BIT STRING; `unused` is the number of bits at the end that do not count. */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return element(0x03, Uint8Array.of(unused), bytes)
}

export function octetString(bytes: Uint8Array): Buffer {
  return element(0x04, bytes)
}

/** Writes a time to the second: UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+Z$|[-T:]/g, "")
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050
    ? element(0x17, Buffer.from(`${digits.slice(2)}Z`, "latin1"))
    : element(0x18, Buffer.from(`${digits}Z`, "latin1"))
}

/** Writes `[number]` around complete elements (EXPLICIT), or instead of a constructed element's own tag (IMPLICIT). */
export function contextTag(number: number, ...content: readonly Uint8Array[]): Buffer {
  return element(0xa0 | tagNumber(number), ...content)
}

/** Writes `[number]` instead of a primitive element's own tag (IMPLICIT), around its bare content. */
export function contextPrimitive(number: number, content: Uint8Array): Buffer {
  return element(0x80 | tagNumber(number), content)
}

/** Returns PEM (RFC 7468) with a final newline. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n")
}

function element(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Uint8Array.of(tag, ...lengthBytes(length)), ...content])
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes = base256(length)
  return [0x80 | bytes.length, ...bytes]
}

function tagNumber(number: number): number {
  if (!Number.isInteger(number) || number < 0 || number > 30) throw new TypeError("a tag is 0 to 30")
  return number
}

function signedBytes(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new TypeError("not a safe integer")
  let hex = BigInt.asUintN(64, BigInt(value)).toString(16).padStart(16, "0")
  // Two's complement is shortest without leading bytes that only repeat the sign of the next byte.
  while (hex.length > 2 && /^(00[0-7]|ff[89a-f])/.test(hex)) hex = hex.slice(2)
  return Buffer.from(hex, "hex")
}

function unsignedBytes(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  if (start === -1) return Uint8Array.of(0)
  const shortest = bytes.subarray(start)
  return (shortest[0] ?? 0) < 0x80 ? shortest : Buffer.concat([Uint8Array.of(0), shortest])
}

function base256(value: number): number[] {
  return value < 256 ? [value] : [...base256(Math.floor(value / 256)), value % 256]
}

function base128(value: number): number[] {
  const last = value % 128
  const more = (rest: number): number[] =>
    rest === 0 ? [] : [...more(Math.floor(rest / 128)), 0x80 | (rest % 128)]
  return [...more(Math.floor(value / 128)), last]
}
