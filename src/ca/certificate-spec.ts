import { certificateHostName, familyOf } from "../base/net-address.ts"
import { SocketAddress } from "node:net"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { SubjectNames } from "../x509/csr.ts"
import type { KeyTypeName } from "../x509/key-families.ts"

/** The requested content of a certificate: names, use, lifetime and type of key. */
export interface CertificateSpec extends SubjectNames {
  /** Adds the purpose clientAuth. */
  readonly client: boolean
  /** Default: the configuration's. */
  readonly days?: number
  readonly key?: KeyTypeName
  /** Common name of the subject. Default: the first host or mail name of at most 64 characters. */
  readonly commonName?: string
}

const maxNames = 100

/**
 * Returns the spec with its names in the form that certificates hold: host names in lower case and Punycode, addresses
 * in canonical text, no duplicates. Throws `ERR_CA_POLICY` naming the first invalid name, or for no or too many names.
 */
export function checkNames(ask: CertificateSpec): CertificateSpec {
  const dns = unique(ask.dns.map(hostName))
  const ip = unique(ask.ip.map(address))
  const email = unique(ask.email.map(mailbox))
  const count = dns.length + ip.length + email.length
  if (count === 0) {
    throw new PurserError("ERR_CA_POLICY", "the certificate needs at least one name", {
      hint: "add a host name, an address or a mail address: dns, ip or email",
    })
  }
  if (count > maxNames)
    throw new PurserError("ERR_CA_POLICY", `the certificate has more than ${maxNames} names`)
  return { ...ask, dns, ip, email }
}

function hostName(name: string): string {
  const ascii = certificateHostName(name)
  if (ascii === null)
    throw bad(name, "is not a host name", "for example shop.lan or *.shop.lan; addresses are given as ip")
  return ascii
}

function address(text: string): string {
  const family = familyOf(text)
  if (family === undefined || text.includes("%"))
    throw bad(text, "is not an address", "for example 192.0.2.7 or 2001:db8::7")
  return new SocketAddress({ address: text, family }).address
}

function mailbox(text: string): string {
  const [, local = "", domain = ""] = /^([\x21-\x3f\x41-\x7e]{1,64})@([^@]+)$/.exec(text) ?? []
  if (local === "" || domain.startsWith("*"))
    throw bad(text, "is not a mail address", "for example ops@shop.lan")
  return `${local}@${hostName(domain)}`
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}

function bad(name: string, why: string, hint: string): PurserError {
  return new PurserError("ERR_CA_POLICY", `${quote(name)} ${why}`, { hint })
}
