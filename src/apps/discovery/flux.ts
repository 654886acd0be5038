import { BlockList, isIP } from "node:net"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { TimeLimit } from "../../base/time-limit.ts"
import { mostAddresses, type Address } from "./address.ts"

/**
 * Nodes of an app on Flux, by the FluxOS API. What it answers is untrusted: it
 * is bounded and validated, and names only places to dial, never whom to trust.
 */

export const defaultFluxApi = "https://api.runonflux.io"

const mostBytes = 4 * 1024 * 1024

export interface FluxOptions {
  app: string
  /** The node's port, because the port in the answer is FluxOS's own. */
  port: number
  api: string | undefined
  /** Time limit of the whole answer. Default 10,000. */
  timeLimitMs?: number | undefined
  signal: AbortSignal
}

/** Throws `ERR_DISCOVERY`. */
export async function lookUpFlux({
  app,
  port,
  api = defaultFluxApi,
  timeLimitMs = 10_000,
  signal,
}: FluxOptions): Promise<Address[]> {
  const url = `${api.replace(/\/+$/, "")}/apps/location/${encodeURIComponent(app)}`
  try {
    using limit = new TimeLimit(signal, timeLimitMs)
    const response = await fetch(url, {
      signal: limit.signal,
      redirect: "error",
      headers: { accept: "application/json" },
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw new Error(`it was answered with ${response.status}`)
    }
    return readLocations(await boundedText(response), port)
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError"
    const reason = isLate ? `no whole answer within ${timeLimitMs} ms` : causeOf(error)
    throw new PurserError("ERR_DISCOVERY", `asking ${url} failed: ${reason}`, { cause: error })
  }
}

/** The places in an answer `{"status":"success","data":[{"ip":"203.0.113.7:16127"}]}`; entries that are none are left out. */
export function readLocations(text: string, port: number): Address[] {
  const answer: unknown = JSON.parse(text)
  if (typeof answer !== "object" || answer === null) throw new Error("the answer is no object")
  const { status, data } = answer as { status?: unknown; data?: unknown }
  if (status !== "success" || !Array.isArray(data)) throw new Error("the answer is no list of places")
  if (data.length > mostAddresses) throw new Error(`the answer has more than ${mostAddresses} places`)
  return data.flatMap((entry: unknown) => {
    const ip = typeof entry === "object" && entry !== null && "ip" in entry ? entry.ip : undefined
    const host = typeof ip === "string" ? hostOf(ip) : undefined
    return host !== undefined && isPublicUnicast(host) ? [{ host, port }] : []
  })
}

/** The address in `203.0.113.7:16127`, `[2001:db8::1]:16127` or without a port. */
function hostOf(ip: string): string | undefined {
  // An IPv6 zone (`%eth0`) is for addresses of this link, which none of these may be.
  if (ip.length > 64 || ip.includes("%")) return undefined
  const host = isIP(ip) === 0 ? /^\[?([^\]]+?)\]?:\d{1,5}$/.exec(ip)?.[1] : ip
  return host !== undefined && isIP(host) !== 0 ? host : undefined
}

/** IANA's special-purpose address registries, and multicast. */
const special = new BlockList()
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const)
  special.addSubnet(network, bits, "ipv4")

/** Global unicast is 2000::/3 (RFC 4291); of it, these are not for public use. */
const globalSix = new BlockList()
globalSix.addSubnet("2000::", 3, "ipv6")
for (const [network, bits] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  special.addSubnet(network, bits, "ipv6")
}

export function isPublicUnicast(host: string): boolean {
  const family = isIP(host)
  if (family === 4) return !special.check(host, "ipv4")
  return family === 6 && globalSix.check(host, "ipv6") && !special.check(host, "ipv6")
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > mostBytes) throw new Error(`the answer is longer than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))
}

/** `fetch failed` says nothing; its cause does. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? reasonOf(error.cause) : reasonOf(error)
}
