import { isIP, SocketAddress } from "node:net"
import { domainToASCII } from "node:url"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { SubjectNames } from "../x509/csr.ts"
import type { KeyType } from "./config.ts"

/** What somebody wants a certificate for. */
export interface CertificateSpec extends SubjectNames {
  /** May prove a client too. */
  readonly client: boolean
  /** Default: the configuration's. */
  readonly days?: number
  readonly key?: KeyType
  /** Of the subject. Default: the first name that fits. */
  readonly commonName?: string
}

const mostNames = 100
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/**
 * The same in the form that certificates hold: names in lower case and Punycode, addresses in their canonical text,
 * nothing twice. Throws `ERR_CA_POLICY`, which names what is no name.
 */
export function checkNames(ask: CertificateSpec): CertificateSpec {
  const dns = unique(ask.dns.map(hostName))
  const ip = unique(ask.ip.map(address))
  const email = unique(ask.email.map(mailbox))
  const count = dns.length + ip.length + email.length
  if (count === 0) {
    throw new PurserError("ERR_CA_POLICY", "the certificate would be nobody's: it has no name", {
      hint: "give a host name, an address or a mail address",
    })
  }
  if (count > mostNames)
    throw new PurserError("ERR_CA_POLICY", `the certificate would have more than ${mostNames} names`)
  return { ...ask, dns, ip, email }
}

function hostName(name: string): string {
  const wildcard = name.startsWith("*.") ? "*." : ""
  const host = name.slice(wildcard.length)
  // Of a.lan/b it would take a.lan, and it leaves tabs out and decodes %61: as a browser reads a URL.
  const isUrl = /[^a-z0-9_.\u0080-\u{10ffff}-]/iu.test(host)
  const ascii = isUrl ? "" : domainToASCII(host).replace(/\.$/, "")
  if (ascii.length > 253 || isIP(ascii) !== 0 || !ascii.split(".").every((part) => label.test(part)))
    throw bad(name, "is not a host name", "shop.lan, or *.shop.lan; addresses are of another kind")
  return wildcard + ascii
}

function address(text: string): string {
  const family = isIP(text)
  if (family === 0 || text.includes("%")) throw bad(text, "is not an address", "192.0.2.7 or 2001:db8::7")
  return new SocketAddress({ address: text, family: family === 4 ? "ipv4" : "ipv6" }).address
}

function mailbox(text: string): string {
  const [, local = "", domain = ""] = /^([\x21-\x3f\x41-\x7e]{1,64})@([^@]+)$/.exec(text) ?? []
  if (local === "" || domain.startsWith("*")) throw bad(text, "is not a mail address", "ops@shop.lan")
  return `${local}@${hostName(domain)}`
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}

function bad(name: string, why: string, hint: string): PurserError {
  return new PurserError("ERR_CA_POLICY", `${quote(name)} ${why}`, { hint })
}
