import { PurserError } from "../../base/errors.ts"
import { splitHostPort } from "../../base/net-address.ts"
import type { ListenAddress } from "../../channel/bind.ts"

/** Reads `39898`, `127.0.0.1:39898` or `[::]:39898`. Throws `ERR_ADDRESS`. */
export function parseListen(text: string): Partial<ListenAddress> {
  const split = splitHostPort(/^\d{1,5}$/.test(text) ? `:${text}` : text)
  if (split?.port === undefined || text.startsWith(":")) {
    throw new PurserError("ERR_ADDRESS", `cannot listen on ${text}`, {
      hint: "write PORT, HOST:PORT or [IPv6]:PORT",
    })
  }
  return { port: split.port, ...(split.host === undefined ? {} : { host: split.host }) }
}
