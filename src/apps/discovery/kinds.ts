import type { DiscoveryKind } from "./kind.ts"
import { addressKind } from "./kinds/address.ts"
import { dnsKind } from "./kinds/dns.ts"
import { fluxKind } from "./kinds/flux.ts"
import { srvKind } from "./kinds/srv.ts"

/** Every way to find nodes, in the order of help and messages. */
export const discoveryKinds = [
  addressKind,
  dnsKind,
  srvKind,
  fluxKind,
] as const satisfies readonly DiscoveryKind[]

/** One resolved entry of `nodes:`. */
export type NodeSpec = ReturnType<(typeof discoveryKinds)[number]["resolve"]>
