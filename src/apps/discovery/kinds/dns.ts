import { z } from "zod"
import { defaultPort } from "../../../channel/port.ts"
import { lookUpAddresses } from "../dns.ts"
import { hostName, port } from "../fields.ts"
import type { DiscoveryKind } from "../kind.ts"

export interface DnsSpec {
  readonly kind: "dns"
  readonly name: string
  readonly port: number
}

const schema = z.strictObject({ dns: hostName.describe("every address that this name has"), port })

/** All addresses of one name, such as `tasks.web` on a Swarm. */
export const dnsKind: DiscoveryKind<typeof schema, DnsSpec> = {
  name: "dns",
  schema,
  resolve: ({ dns: name, port = defaultPort }) => ({ kind: "dns", name, port }),
  fromFlag: (dns, port) => ({ dns, ...(port === undefined ? {} : { port }) }),
  look: ({ name, port }, { dnsServers: servers, signal }) => lookUpAddresses(name, port, { servers, signal }),
}
