import { certificateHostName, familyOf } from "../base/net-address.ts"
import { SocketAddress } from "node:net"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { SubjectNames } from "../x509/csr.ts"
import type { KeyTypeName } from "../x509/key-families.ts"

/** The names, use and key that a certificate is wanted for. */
export interface CertificateSpec extends SubjectNames {
  /** May prove a client too. */
  readonly client: boolean
  /** Default: the configuration's. */
  readonly days?: number
  readonly key?: KeyTypeName
  /** The subject's. Default: the first name that fits. */
  readonly commonName?: string
}

const mostNames = 100

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
  const ascii = certificateHostName(name)
  if (ascii === null)
    throw bad(name, "is not a host name", "shop.lan, or *.shop.lan; addresses are of another kind")
  return ascii
}

function address(text: string): string {
  const family = familyOf(text)
  if (family === undefined || text.includes("%"))
    throw bad(text, "is not an address", "192.0.2.7 or 2001:db8::7")
  return new SocketAddress({ address: text, family }).address
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
