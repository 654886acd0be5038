import { isIP } from "node:net"
import { domainToASCII } from "node:url"

/** Host names, addresses and `HOST:PORT`, as command lines, labels, configuration files and certificates write them. */

export interface HostPort {
  /** Without brackets. Undefined in `:PORT`. */
  readonly host: string | undefined
  /** 0 to 65535. Undefined where none is written. */
  readonly port: number | undefined
}

/**
 * Splits `HOST`, `HOST:PORT`, `:PORT`, `[IPv6]` and `[IPv6]:PORT`. Returns null for anything else. In brackets only
 * an IPv6 address passes, with a zone if there is one; any other host is returned as it is written.
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

/** Returns the family as `net.BlockList` and `net.SocketAddress` call it, or undefined for what is not an address. */
export function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const family = isIP(address)
  if (family === 0) return undefined
  return family === 4 ? "ipv4" : "ipv6"
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/**
 * RFC 1123 names, and the service names of container networks (`tasks.web`, `my_service`). A name whose last label
 * has only digits is refused, because it would be a mistyped address.
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
 * Returns the form that certificates hold: lower case, Punycode, without the final dot; a leading `*.` is kept.
 * Returns null for what is not a host name.
 */
export function certificateHostName(name: string): string | null {
  const wildcard = name.startsWith("*.") ? "*." : ""
  const host = name.slice(wildcard.length)
  // domainToASCII reads a URL as browsers do: it would take a.lan out of a.lan/b, drop tabs, and decode %61.
  if (/[^a-z0-9_.\u0080-\u{10ffff}-]/iu.test(host)) return null
  const ascii = domainToASCII(host).replace(/\.$/, "")
  const isName = ascii.length <= 253 && isIP(ascii) === 0 && ascii.split(".").every((one) => label.test(one))
  return isName ? wildcard + ascii : null
}
