import { isIP } from "node:net"
import { domainToASCII } from "node:url"

/** Parses host names, addresses and `HOST:PORT` of command lines, labels, configuration files and certificates. */

export interface HostPort {
  /** Without brackets. Undefined in `:PORT`. */
  readonly host: string | undefined
  /** 0 to 65535. Undefined without `:PORT`. */
  readonly port: number | undefined
}

/**
 * Splits `HOST`, `HOST:PORT`, `:PORT`, `[IPv6]` and `[IPv6]:PORT`. Returns null for anything else. In brackets only
 * an IPv6 address is accepted, with or without a zone; any other host is returned unchanged.
 */
export function splitHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^[\]]+)\]|([^\s:[\]/?#@]*))(?::(\d{1,5}))?$/.exec(text)
  if (match === null || text === "") return null
  const [, bracketed, plain, digits] = match
  const port = digits === undefined ? undefined : Number(digits)
  if (port !== undefined && port > 65_535) return null
  if (bracketed !== undefined && isIP(bracketed) !== 6) return null
  return { host: bracketed ?? (plain === "" ? undefined : plain), port }
}

/** Returns `HOST:PORT`, with brackets around an IPv6 address. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

/** Returns the address's family, as `net.BlockList` names it, or undefined for any other text. */
export function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const family = isIP(address)
  if (family === 0) return undefined
  return family === 4 ? "ipv4" : "ipv6"
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/**
 * Returns whether a text is an RFC 1123 host name or a service name of a container network (`tasks.web`,
 * `my_service`). A name whose last label has only digits is refused, because it is a mistyped address.
 */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".")
  return (
    text.length <= 253 &&
    labels.every((one) => label.test(one)) &&
    !/^\d+$/.test(labels.at(-1) ?? "") &&
    /[A-Za-z_]/.test(text)
  )
}

/**
 * Returns a host name in the form that certificates hold: lower case, Punycode, without the final dot, with a leading
 * `*.` kept. Returns null for any other text.
 */
export function certificateHostName(name: string): string | null {
  const wildcard = name.startsWith("*.") ? "*." : ""
  const host = name.slice(wildcard.length)
  // Checked first, because domainToASCII parses as browsers do: a.lan/b would give a.lan, and %61 would be decoded.
  if (/[^a-z0-9_.\u0080-\u{10ffff}-]/iu.test(host)) return null
  const ascii = domainToASCII(host).replace(/\.$/, "")
  const isName = ascii.length <= 253 && isIP(ascii) === 0 && ascii.split(".").every((one) => label.test(one))
  return isName ? wildcard + ascii : null
}
