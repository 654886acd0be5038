import { certificateHostName } from "../base/net-address.ts"
import { isIP } from "node:net"
import type { SubjectNames } from "../x509/csr.ts"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { parseFileLine, type FileLine } from "../files/file-line.ts"

/**
 * A certificate for a key that this node makes and keeps: one line of `PURSER_CERTIFICATE`.
 *
 *     NAME dns=HOST… [ip=ADDRESS…] [email=MAILBOX…] [path=DIRECTORY] [mode=0400] [owner=USER[:GROUP]] [optional]
 */
export interface CertificateLine extends SubjectNames {
  readonly name: string
  /** The file line of `tls.crt`. */
  readonly certificate: FileLine
  /** The file line of `tls.key`. */
  readonly key: FileLine
  /** The file line of `ca.crt`. */
  readonly ca: FileLine
}

const grammar = "NAME dns=HOST [ip=ADDRESS] [path=DIRECTORY] [mode=0400] [owner=USER[:GROUP]] [optional]"
const mostNames = 100

/** Reads one line. Throws `ERR_FILE_LINE`, which names the part that cannot be read. */
export function parseCertificateLine(text: string): CertificateLine {
  const dns: string[] = []
  const ip: string[] = []
  const email: string[] = []
  const rest: string[] = []
  let path: string | undefined
  for (const part of text.trim().split(/\s+/)) {
    const [, key = "", value = ""] = /^(dns|ip|email|path)=(.*)$/.exec(part) ?? []
    if (key === "dns") dns.push(...value.split(",").map((name) => hostName(text, name)))
    else if (key === "ip") ip.push(...value.split(",").map((one) => address(text, one)))
    else if (key === "email") email.push(...value.split(",").map((one) => mailbox(text, one)))
    else if (key === "path" && path === undefined) path = value.replace(/\/$/, "")
    else rest.push(part)
  }
  if (path === "") throw bad(text, "path= names no directory")
  const count = dns.length + ip.length + email.length
  if (count === 0) throw bad(text, "it has no dns=, ip= or email=")
  if (count > mostNames) throw bad(text, `it holds more than ${mostNames} names`)
  const file = (leaf: string): FileLine => {
    const [name = "", ...options] = rest
    const line = parseFileLine([`${name}/${leaf}`, ...options].join(" "))
    return path === undefined
      ? line
      : parseFileLine([`${line.name} path=${path}/${leaf}`, ...options].join(" "))
  }
  try {
    return {
      name: rest[0] ?? "",
      dns,
      ip,
      email,
      certificate: file("tls.crt"),
      key: file("tls.key"),
      ca: file("ca.crt"),
    }
  } catch (error) {
    if (!(error instanceof PurserError)) throw error
    throw bad(text, error.message.replace(/^.*": /, ""))
  }
}

/** Reads the lines of one or several texts. Ignores empty lines and those that begin with `#`. Throws `ERR_FILE_LINE`. */
export function parseCertificateLines(text: string | readonly string[]): CertificateLine[] {
  return [text]
    .flat()
    .flatMap((part) => part.split("\n"))
    .map((part) => part.trim())
    .filter((part) => part !== "" && !part.startsWith("#"))
    .map(parseCertificateLine)
}

/** The file lines of all the certificates: three each. */
export function filesOf(lines: readonly CertificateLine[]): FileLine[] {
  return lines.flatMap(({ certificate, key, ca }) => [certificate, key, ca])
}

function hostName(text: string, name: string): string {
  const ascii = certificateHostName(name)
  if (ascii === null) throw bad(text, `dns=${quote(name)} is not a host name`)
  return ascii
}

function address(text: string, ip: string): string {
  if (isIP(ip) === 0 || ip.includes("%")) throw bad(text, `ip=${quote(ip)} is not an address`)
  return ip
}

function mailbox(text: string, email: string): string {
  if (!/^[\x21-\x3f\x41-\x7e]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(email))
    throw bad(text, `email=${quote(email)} is not a mail address`)
  return email
}

function bad(text: string, why: string): PurserError {
  return new PurserError("ERR_FILE_LINE", `cannot read the certificate line ${quote(text.trim())}: ${why}`, {
    hint: `write ${grammar}`,
  })
}
