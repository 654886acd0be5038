import { SocketAddress } from "node:net"
import { childrenOf, contentOf } from "../../x509/der-elements.ts"

/** Turns names and values in certificates into text. The text is not escaped for terminals: the caller does that. */

const attributes: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.42": "GN",
  "2.5.4.97": "organizationIdentifier",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
}

/** A Name (RFC 5280 section 4.1.2.4): `C=DE, O=Shop, CN=www`; empty when it has no parts. */
export function nameText(name: Buffer): string {
  return childrenOf(name)
    .map((parts) => childrenOf(parts).map(attributeText).join("+"))
    .join(", ")
}

function attributeText(attribute: Buffer): string {
  const [type, value] = childrenOf(attribute)
  if (type === undefined || value === undefined) throw new TypeError("not an attribute")
  const id = oidText(type)
  // An unescaped comma would look like the start of the next part.
  return `${attributes[id] ?? id}=${stringText(value).replace(/[\\,+]/g, String.raw`\$&`)}`
}

function stringText(value: Buffer): string {
  const content = contentOf(value)
  if (value[0] === 0x1e)
    return Buffer.from(content.subarray(0, content.length & ~1))
      .swap16()
      .toString("utf16le")
  if (value[0] === 0x0c) return content.toString("utf8")
  if ([0x12, 0x13, 0x14, 0x16, 0x1a].includes(value[0] ?? 0)) return content.toString("latin1")
  return `#${content.toString("hex")}`
}

/** An object identifier in dotted form. Throws a `TypeError`. */
export function oidText(element: Buffer): string {
  if (element[0] !== 0x06) throw new TypeError("not an object identifier")
  const arcs: bigint[] = []
  let arc = 0n
  const content = contentOf(element)
  if (content.length > 64) throw new TypeError("the object identifier is too long")
  for (const byte of content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    if (byte >= 0x80) continue
    if (arcs.length > 0) arcs.push(arc)
    else arcs.push(...(arc < 80n ? [arc / 40n, arc % 40n] : [2n, arc - 80n]))
    arc = 0n
  }
  return arcs.join(".")
}

/** GeneralNames (RFC 5280 section 4.2.1.6), each with its kind in front: `dns:shop.lan`, `ip:192.0.2.7`. */
export function generalNamesText(names: readonly Buffer[]): string[] {
  return names.map(generalName)
}

function generalName(name: Buffer): string {
  const content = contentOf(name)
  switch ((name[0] ?? 0) & 0x1f) {
    case 1:
      return `email:${content.toString("latin1")}`
    case 2:
      return `dns:${content.toString("latin1")}`
    case 4:
      return `directory:${childrenOf(name).map(nameText).join(", ")}`
    case 6:
      return `uri:${content.toString("latin1")}`
    case 7:
      return `ip:${networkText(content)}`
    default:
      return `other:${content.toString("hex")}`
  }
}

/** An address, or a network if a mask follows the address. */
function networkText(bytes: Buffer): string {
  if (bytes.length === 4 || bytes.length === 16) return addressText(bytes)
  if (bytes.length !== 8 && bytes.length !== 32) return `#${bytes.toString("hex")}`
  const half = bytes.length / 2
  const bits = [...bytes.subarray(half)].map((byte) => byte.toString(2).padStart(8, "0")).join("")
  const isPrefix = /^1*0*$/.test(bits)
  const mask = isPrefix ? bits.lastIndexOf("1") + 1 : addressText(bytes.subarray(half))
  return `${addressText(bytes.subarray(0, half))}/${mask}`
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".")
  const groups = bytes.toString("hex").match(/.{4}/g) ?? []
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address
}

/** UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5), as ISO 8601. */
export function timeText(element: Buffer): string {
  const text = contentOf(element).toString("latin1")
  const [, year = "", month, day, hour, minute, second] =
    /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? []
  if (year === "" || (element[0] === 0x17) !== (year.length === 2)) throw new TypeError("not a time")
  const full = year.length === 4 ? year : `${Number(year) < 50 ? 20 : 19}${year}`
  return new Date(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`).toISOString()
}
