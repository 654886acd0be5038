import { createHash } from "node:crypto"
import { childrenOf, contentOf } from "../../x509/der-elements.ts"
import { nameText, oidText, timeText } from "./name.ts"

/** Decodes certificate revocation lists (RFC 5280 section 5). The signature is not checked. */

export interface DescribedCrl {
  readonly type: "crl"
  readonly issuer: string
  /** CRL number, decimal; null without one. */
  readonly number: string | null
  /** ISO 8601. */
  readonly thisUpdate: string
  readonly nextUpdate: string | null
  readonly entries: readonly { readonly serial: string; readonly at: string; readonly reason: string }[]
  readonly sha256: string
}

/** Names of the CRLReason codes; 7 is not used. */
const reasons = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  "",
  "removeFromCRL",
  "privilegeWithdrawn",
  "aACompromise",
]

/** Throws a `TypeError` for anything but a CRL. */
export function describeCrl(der: Buffer): DescribedCrl {
  const [body] = childrenOf(der)
  if (der[0] !== 0x30 || body?.[0] !== 0x30) throw new TypeError("not a list")
  const fields = childrenOf(body)
  if (fields[0]?.[0] === 0x02) fields.shift()
  const [, issuer, thisUpdate, ...rest] = fields
  if (issuer === undefined || thisUpdate === undefined) throw new TypeError("not a list")
  const next = rest.find((one) => one[0] === 0x17 || one[0] === 0x18)
  const entries = rest.find((one) => one[0] === 0x30)
  const extensions = rest.find((one) => one[0] === 0xa0)
  const number = valueOf(extensions === undefined ? [] : childrenOf(extensions), "2.5.29.20")
  return {
    type: "crl",
    issuer: nameText(issuer),
    number:
      number === null ? null : BigInt(`0x${contentOf(number).subarray(0, 32).toString("hex")}`).toString(),
    thisUpdate: timeText(thisUpdate),
    nextUpdate: next === undefined ? null : timeText(next),
    entries: entries === undefined ? [] : childrenOf(entries).map(entry),
    sha256: createHash("sha256").update(der).digest("hex"),
  }
}

function entry(element: Buffer): DescribedCrl["entries"][number] {
  const [serial, at, ...extensions] = childrenOf(element)
  if (serial === undefined || at === undefined) throw new TypeError("not an entry")
  const reason = valueOf(extensions, "2.5.29.21")
  const code = reason === null ? 0 : (contentOf(reason)[0] ?? 0)
  return {
    serial: contentOf(serial)
      .toString("hex")
      .replace(/^00(?=.)/, ""),
    at: timeText(at),
    reason: reasons[code] ?? String(code),
  }
}

/** The value of the extension with this object identifier, an element in DER; null without it. */
function valueOf(lists: readonly Buffer[], wanted: string): Buffer | null {
  for (const extension of lists.flatMap(childrenOf)) {
    const [id, ...rest] = childrenOf(extension)
    const value = rest.at(-1)
    if (id !== undefined && value !== undefined && oidText(id) === wanted) return contentOf(value)
  }
  return null
}
