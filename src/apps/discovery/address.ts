import { formatHostPort } from "../../base/net-address.ts"

/** Where a node may answer. */
export interface Address {
  /** IP address or host name. */
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets around IPv6. */
export function formatAddress({ host, port }: Address): string {
  return formatHostPort(host, port)
}

/** More than this many from one place is an attack or a mistake. */
export const mostAddresses = 10_000

/** Without those that come twice. */
export function distinct(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()]
}
