import { childrenOf, contentOf } from "../../x509/der-elements.ts"
import { generalNamesText, oidText } from "./name.ts"

/** Decodes the common extensions of a certificate (RFC 5280 section 4.2.1); names the others by object identifier. */

export interface DescribedExtensions {
  /** Each with its kind: `dns:shop.lan`, `ip:192.0.2.7`, `email:ops@shop.lan`. */
  readonly names: readonly string[]
  readonly ca: boolean
  /** How many CAs may follow below this one; null for no limit, or if it is not a CA. */
  readonly pathLength: number | null
  readonly keyUsage: readonly string[]
  readonly extendedKeyUsage: readonly string[]
  readonly nameConstraints: {
    readonly permitted: readonly string[]
    readonly excluded: readonly string[]
  } | null
  readonly crlUrls: readonly string[]
  /** Lower-case hex. */
  readonly subjectKeyId: string | null
  readonly authorityKeyId: string | null
  /** Object identifiers. */
  readonly otherExtensions: readonly string[]
}

const usages = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const
const purposes: Readonly<Record<string, string>> = {
  "1.3.6.1.5.5.7.3.1": "serverAuth",
  "1.3.6.1.5.5.7.3.2": "clientAuth",
  "1.3.6.1.5.5.7.3.3": "codeSigning",
  "1.3.6.1.5.5.7.3.4": "emailProtection",
  "1.3.6.1.5.5.7.3.8": "timeStamping",
  "1.3.6.1.5.5.7.3.9": "OCSPSigning",
  "2.5.29.37.0": "any",
}
const shown = ["17", "19", "15", "37", "30", "31", "14", "35"].map((last) => `2.5.29.${last}`)

/** `lists`: SEQUENCEs of extensions, at most one in valid input. Throws a `TypeError` for malformed ones. */
export function readExtensions(lists: readonly Buffer[]): DescribedExtensions {
  const values = new Map<string, Buffer>()
  for (const extension of lists.flatMap(childrenOf)) {
    const [id, ...rest] = childrenOf(extension)
    const value = rest.at(-1)
    if (id === undefined || value?.[0] !== 0x04) throw new TypeError("not an extension")
    values.set(oidText(id), contentOf(value))
  }
  const of = (last: number): Buffer | undefined => values.get(`2.5.29.${last}`)
  const listOf = (last: number): Buffer[] => childrenOf(of(last) ?? Buffer.from([0x30, 0]))
  const basic = listOf(19)
  const length = basic.find((one) => one[0] === 0x02)
  const subjectKeyId = of(14)
  const authority = listOf(35).find((one) => one[0] === 0x80)
  return {
    names: generalNamesText(listOf(17)),
    ca: basic.some((one) => one[0] === 0x01 && one[2] !== 0),
    pathLength: length === undefined ? null : Number(`0x${contentOf(length).toString("hex") || "0"}`),
    keyUsage: bitsOf(of(15)),
    extendedKeyUsage: listOf(37).map((id) => purposes[oidText(id)] ?? oidText(id)),
    nameConstraints: of(30) === undefined ? null : constraints(listOf(30)),
    crlUrls: listOf(31).flatMap(urlsOf),
    subjectKeyId: subjectKeyId === undefined ? null : contentOf(subjectKeyId).toString("hex"),
    authorityKeyId: authority === undefined ? null : contentOf(authority).toString("hex"),
    otherExtensions: [...values.keys()].filter((id) => !shown.includes(id)),
  }
}

function bitsOf(element: Buffer | undefined): string[] {
  if (element === undefined) return []
  const bytes = contentOf(element).subarray(1)
  return usages.filter((_, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0)
}

function constraints(lists: readonly Buffer[]): { permitted: string[]; excluded: string[] } {
  const trees = (tag: number): string[] =>
    lists
      .filter((list) => list[0] === tag)
      .flatMap((list) => childrenOf(list).flatMap((tree) => generalNamesText(childrenOf(tree).slice(0, 1))))
  return { permitted: trees(0xa0), excluded: trees(0xa1) }
}

/** DistributionPoint { [0] { [0] GeneralNames } }. */
function urlsOf(point: Buffer): string[] {
  return childrenOf(point)
    .filter((one) => one[0] === 0xa0)
    .flatMap((name) => childrenOf(name).filter((one) => one[0] === 0xa0))
    .flatMap((names) => childrenOf(names).filter((one) => one[0] === 0x86))
    .map((url) => contentOf(url).toString("latin1"))
}
