import { escapeForTerminal } from "../base/escape.ts"
import type { Described, DescribedItem } from "./show.ts"

/** What was taken apart, for a person: one line a fact. All of it is foreign, and escaped. */

export function formatDescribed({ items }: Described): string {
  return items.map(formatItem).join("\n")
}

type Facts = readonly (readonly [string, string | number | null | readonly string[]])[]

function formatItem(item: DescribedItem): string {
  const facts = factsOf(item).flatMap(([name, value]) => {
    const lines = Array.isArray(value) ? (value as readonly string[]) : value === null ? [] : [String(value)]
    return lines.map((line, index) => [index === 0 ? name : "", line] as const)
  })
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  const body = facts.map(([name, line]) => `  ${name.padEnd(width)}  ${escapeForTerminal(line)}\n`)
  return `${titleOf(item)}\n${body.join("")}`
}

function titleOf(item: DescribedItem): string {
  if (item.kind !== "certificate") return item.kind
  if (!item.ca) return item.kind
  return item.subject === item.issuer ? "root certificate" : "CA certificate"
}

function factsOf(item: DescribedItem): Facts {
  switch (item.kind) {
    case "certificate":
      return [
        ["subject", item.subject],
        ["issuer", item.issuer],
        ["names", item.names],
        ["serial", item.serial],
        ["valid from", item.notBefore],
        ["until", `${item.notAfter} (${daysOf(item.daysLeft)})`],
        ["key", item.key],
        ["path length", item.pathLength],
        ["key usage", item.keyUsage.join(", ") || null],
        ["for", item.purposes.join(", ") || null],
        ["permitted", item.constraints?.permitted ?? null],
        ["excluded", item.constraints?.excluded ?? null],
        ["CRL", item.crlUrls],
        ["key id", item.subjectKeyId],
        ["issuer's key id", item.authorityKeyId],
        ["fingerprint", item.fingerprint],
        ["pin", item.pin],
      ]
    case "request":
      return [
        ["subject", item.subject || null],
        ["names", item.names],
        ["key", item.key],
        ["not heeded", item.ignored],
        ["signature", "holds"],
        ["pin", item.pin],
      ]
    case "refused request":
      return [["refused", item.why]]
    case "revocation list":
      return [
        ["issuer", item.issuer],
        ["number", item.number],
        ["made", item.thisUpdate],
        ["next", item.nextUpdate],
        [
          "revoked",
          item.revoked.length === 0
            ? "none"
            : item.revoked.map((one) => `${one.serial} ${one.at} ${one.reason}`),
        ],
      ]
    case "private key":
    case "public key":
      return [
        ["key", item.key],
        [
          "encrypted",
          item.kind === "public key" ? null : item.encrypted ? "yes, so no more can be said" : "no",
        ],
        ["pin", item.pin],
      ]
  }
}

function daysOf(left: number): string {
  if (left < 0) return "expired"
  return left === 1 ? "1 day left" : `${left} days left`
}
