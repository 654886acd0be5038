import { once } from "node:events"
import type { AddressInfo, Server } from "node:net"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Where the server listens, or null. */
export function boundAddress(server: Server): ListenAddress | null {
  const bound = server.address() as AddressInfo | null
  return bound === null ? null : { host: bound.address, port: bound.port }
}

/** Resolves with the address taken (port 0 asks for a free one). `::` takes IPv4 too, and is `0.0.0.0` where there is no IPv6. Throws `ERR_LISTEN`. */
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
