import { escapeForTerminal } from "../../base/escape.ts"
import type { DescribedCrl } from "./crl.ts"
import type { DescribedExtensions } from "./extensions.ts"
import type { Described, DescribedCertificate, DescribedItem, DescribedKey } from "./show.ts"

/** Formats the result of `describe` as aligned text, escaped for a terminal because its values are untrusted. */

type Row = readonly [title: string, value: string | readonly string[] | null]

/** Number of CRL entries that are shown; `--json` has all. */
const mostEntries = 50

export function formatDescribed({ items }: Described): string {
  return items.map((item) => `${title(item)}\n${table(rowsOf(item))}`).join("\n")
}

function title(item: DescribedItem): string {
  switch (item.type) {
    case "certificate":
      return item.ca ? (item.selfSigned ? "root certificate" : "certificate of a CA") : "certificate"
    case "request":
      return "certificate request"
    case "crl":
      return "revocation list"
    case "key":
      return item.private ? "private key" : "public key"
    case "other":
      return `a block that is not known here: ${escapeForTerminal(item.label)}`
  }
}

function rowsOf(item: DescribedItem): Row[] {
  switch (item.type) {
    case "certificate":
      return certificateRows(item)
    case "request":
      return [
        ["subject", item.subject],
        ["signature", item.signature],
        ["key", item.keyType],
        ...extensionRows(item),
        ["pin", item.pin],
      ]
    case "crl":
      return crlRows(item)
    case "key":
      return keyRows(item)
    case "other":
      return []
  }
}

function certificateRows(item: DescribedCertificate): Row[] {
  const { daysLeft } = item
  const left = daysLeft < 0 ? `expired ${-daysLeft} days ago` : `${daysLeft} days left`
  return [
    ["subject", item.subject],
    ["issuer", item.selfSigned ? "itself" : item.issuer],
    ["serial", item.serial],
    ["valid", `${item.notBefore} to ${item.notAfter} (${left})`],
    ["key", item.keyType],
    ...extensionRows(item),
    ["SHA-256", item.sha256],
    ["pin", item.pin],
  ]
}

function extensionRows(item: DescribedExtensions): Row[] {
  const { pathLength, nameConstraints } = item
  return [
    ["names", item.names],
    ["CA", item.ca ? `yes${pathLength === null ? "" : `, at most ${pathLength} below it`}` : "no"],
    ["key usage", item.keyUsage],
    ["for", item.extendedKeyUsage],
    ["only names", nameConstraints?.permitted ?? null],
    ["never names", nameConstraints?.excluded ?? null],
    ["CRL at", item.crlUrls],
    ["key id", item.subjectKeyId],
    ["issuer's key id", item.authorityKeyId],
    ["other extensions", item.otherExtensions],
  ]
}

function crlRows({ issuer, number, thisUpdate, nextUpdate, entries, sha256 }: DescribedCrl): Row[] {
  const more = entries.length - mostEntries
  return [
    ["issuer", issuer],
    ["number", number],
    ["made", thisUpdate],
    ["next", nextUpdate],
    ["entries", String(entries.length)],
    ...entries
      .slice(0, mostEntries)
      .map(({ serial, at, reason }): Row => ["revoked", `${serial} ${at} ${reason}`]),
    ["", more > 0 ? `and ${more} more` : null],
    ["SHA-256", sha256],
  ]
}

function keyRows(item: DescribedKey): Row[] {
  const unreadable = item.encrypted ? "encrypted" : "cannot be read"
  return [
    ["key", item.keyType ?? unreadable],
    ["pin", item.pin],
  ]
}

function table(rows: readonly Row[]): string {
  const lines = rows.flatMap(([name, value]): [string, string][] => {
    const values = value === null || value === "" ? [] : typeof value === "string" ? [value] : value
    return values.map((one, index) => [index === 0 ? name : "", escapeForTerminal(one)])
  })
  const width = Math.max(0, ...lines.map(([name]) => name.length))
  return lines.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`).join("")
}
