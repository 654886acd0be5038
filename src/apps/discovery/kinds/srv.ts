import { z } from "zod"
import { lookUpService } from "../dns.ts"
import { hostName } from "../fields.ts"
import type { DiscoveryKind } from "../kind.ts"

export interface SrvSpec {
  readonly kind: "srv"
  readonly name: string
}

const schema = z.strictObject({ srv: hostName.describe("targets and ports of this SRV record") })

/** A DNS service, whose record also gives the ports. */
export const srvKind: DiscoveryKind<typeof schema, SrvSpec> = {
  name: "srv",
  schema,
  resolve: ({ srv: name }) => ({ kind: "srv", name }),
  fromFlag: (srv) => ({ srv }),
  look: ({ name }, { dnsServers: servers, signal }) => lookUpService(name, { servers, signal }),
}
