import { isIP } from "node:net"
import { isAppName } from "../../base/names.ts"
import { formatHostPort, isHostName, splitHostPort } from "../../base/net-address.ts"
import { defaultPort } from "../../channel/port.ts"

/** An address at which a node may answer. */
export interface Address {
  /** IP address or host name. */
  readonly host: string
  readonly port: number
}

/** Returns `host:port`, with brackets around IPv6. */
export function formatAddress({ host, port }: Address): string {
  return formatHostPort(host, port)
}

/** The limit of addresses per lookup; more is an attack or a mistake. */
export const mostAddresses = 10_000

/** Returns the addresses without duplicates, in order of first appearance. */
export function distinct(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()]
}

/** Parses `host`, `host:port`, `[ipv6]`, `[ipv6]:port`, or a bare IPv6 address. Returns null for any other text. */
export function parseNodeAddress(text: string): Address | null {
  if (isIP(text) !== 0) return { host: text, port: defaultPort }
  const { host, port: number = defaultPort } = splitHostPort(text) ?? {}
  if (host === undefined || number === 0) return null
  return isIP(host) !== 0 || isHostName(host) || isAppName(host) ? { host, port: number } : null
}
