import { isIP } from "node:net"
import { z } from "zod"
import { isAppName } from "../base/names.ts"
import { isHostName, splitHostPort } from "../base/net-address.ts"
import { defaultPort } from "../channel/port.ts"

/** `nodes:` of an app: where to look for its nodes. Parsed here, looked up in discovery/. */

/** Where to look for an app's nodes. */
export type NodeSpec =
  | { readonly kind: "address"; readonly host: string; readonly port: number }
  | { readonly kind: "dns"; readonly name: string; readonly port: number }
  | { readonly kind: "srv"; readonly name: string }
  | { readonly kind: "flux"; readonly app: string; readonly port: number; readonly api: string | undefined }

const port = z.int().min(1).max(65_535).optional().describe(`default ${defaultPort}`)
const hostName = z
  .string()
  .refine((text) => isHostName(text) || isAppName(text), { error: "not a host name" })

export const nodeSchema = z.union([
  z
    .string()
    .refine((text) => parseNodeAddress(text) !== null, {
      error: "not an address",
      params: { hint: "write HOST, HOST:PORT, IPv4:PORT or [IPv6]:PORT" },
    })
    .describe("HOST[:PORT]"),
  z.strictObject({ dns: hostName.describe("every address that this name has"), port }),
  z.strictObject({ srv: hostName.describe("targets and ports of this SRV record") }),
  z.strictObject({
    flux: z.strictObject({
      app: z
        .string()
        .regex(/^[A-Za-z0-9]{1,64}$/, { error: "not the name of an app on Flux" })
        .describe("the app's name on Flux"),
      port,
      api: z
        .url({ protocol: /^https?$/, error: "not an http address" })
        .optional()
        .describe("base URL of the Flux API"),
    }),
  }),
])

export function resolveNode(node: z.infer<typeof nodeSchema>): NodeSpec {
  if (typeof node === "string") {
    const address = parseNodeAddress(node)
    if (address === null) throw new TypeError("the schema lets no such address through")
    return { kind: "address", ...address }
  }
  if ("dns" in node) return { kind: "dns", name: node.dns, port: node.port ?? defaultPort }
  if ("srv" in node) return { kind: "srv", name: node.srv }
  const { app, port: fluxPort, api } = node.flux
  return { kind: "flux", app, port: fluxPort ?? defaultPort, api }
}

/** `host`, `host:port`, `[ipv6]`, `[ipv6]:port`, or a bare IPv6 address; null for anything else. */
export function parseNodeAddress(text: string): { host: string; port: number } | null {
  if (isIP(text) !== 0) return { host: text, port: defaultPort }
  const { host, port: number = defaultPort } = splitHostPort(text) ?? {}
  if (host === undefined || number === 0) return null
  return isIP(host) !== 0 || isHostName(host) || isAppName(host) ? { host, port: number } : null
}

/** What `--node` takes: an address, or `dns:NAME[:PORT]`, `srv:NAME`, `flux:APP[:PORT]`; as it stands in YAML. */
export function nodeFromFlag(text: string): unknown {
  const match = /^(dns|srv|flux):([^:]*[^:\d][^:]*)(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return text
  const [, kind, name, digits] = match
  const at = digits === undefined ? {} : { port: Number(digits) }
  if (kind === "flux") return { flux: { app: name, ...at } }
  return kind === "srv" ? { srv: name, ...at } : { dns: name, ...at }
}
