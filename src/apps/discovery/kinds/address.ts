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

/** An address, written as plain text without a mapping. */
export const addressKind: DiscoveryKind<typeof schema, AddressSpec> = {
  name: "address",
  schema,
  resolve(text) {
    const address = parseNodeAddress(text)
    if (address === null) throw new TypeError("the schema accepted an invalid address")
    return { kind: "address", ...address }
  },
  look: async ({ host, port }) => [{ host, port }],
}
