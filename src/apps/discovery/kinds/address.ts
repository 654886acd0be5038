import { z } from "zod"
import { parseNodeAddress, type Address } from "../address.ts"
import type { DiscoveryKind } from "../kind.ts"

export interface AddressSpec extends Address {
  readonly kind: "address"
}

const schema = z
  .string()
  .refine((text) => parseNodeAddress(text) !== null, {
    error: "not an address",
    params: { hint: "write HOST, HOST:PORT, IPv4:PORT or [IPv6]:PORT" },
  })
  .describe("HOST[:PORT]")

/** An address as it is written, without a mapping around it. */
export const addressKind: DiscoveryKind<typeof schema, AddressSpec> = {
  name: "address",
  schema,
  resolve(text) {
    const address = parseNodeAddress(text)
    if (address === null) throw new TypeError("the schema lets no such address through")
    return { kind: "address", ...address }
  },
  look: async ({ host, port }) => [{ host, port }],
}
