import { once } from "node:events"
import type { AddressInfo, Server } from "node:net"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Returns the address at which the server listens, or null. */
export function boundAddress(server: Server): ListenAddress | null {
  const bound = server.address() as AddressInfo | null
  return bound === null ? null : { host: bound.address, port: bound.port }
}

/**
 * Listens and resolves with the bound address (port 0 picks a free port). `::` includes IPv4, and falls back to
 * `0.0.0.0` without IPv6. Throws `ERR_LISTEN`.
 */
export async function bind(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  try {
    server.listen({ host, port })
    await once(server, "listening")
  } catch (error) {
    const code = systemErrorCode(error)
    if (host === "::" && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL")) {
      return await bind(server, { host: "0.0.0.0", port })
    }
    throw new PurserError("ERR_LISTEN", `cannot listen on ${host} port ${port}: ${reasonOf(error)}`, {
      hint: code === "EADDRINUSE" ? "another program listens there; choose another port" : undefined,
      cause: error,
    })
  }
  return boundAddress(server) ?? { host, port }
}
