import { BlockList, isIP } from "node:net"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { TimeLimit } from "../../base/time-limit.ts"
import { mostAddresses, type Address } from "./address.ts"

/**
 * Finds the nodes of an app on Flux by the FluxOS API. The answer is untrusted: it is limited in size and validated,
 * and gives only addresses to dial, never a reason for trust.
 */

export const defaultFluxApi = "https://api.runonflux.io"

const mostBytes = 4 * 1024 * 1024

export interface FluxOptions {
  app: string
  /** The node's port, because the port in the answer is FluxOS's own. */
  port: number
  api: string | undefined
  /** Time limit of the whole answer in milliseconds. Default: 10,000. */
  timeLimitMs?: number | undefined
  signal: AbortSignal
}

/** Looks up an app's nodes. Throws `ERR_DISCOVERY`. */
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
      throw new Error(`the status is ${response.status}`)
    }
    return readLocations(await boundedText(response), port)
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError"
    const reason = isLate ? `no complete answer within ${timeLimitMs} ms` : causeOf(error)
    throw new PurserError("ERR_DISCOVERY", `asking ${url} failed: ${reason}`, { cause: error })
  }
}

/**
 * Parses an answer `{"status":"success","data":[{"ip":"203.0.113.7:16127"}]}`. Invalid entries, and addresses that are
 * not public unicast, are left out. Throws for any other text.
 */
export function readLocations(text: string, port: number): Address[] {
  const answer: unknown = JSON.parse(text)
  if (typeof answer !== "object" || answer === null) throw new Error("the answer is not an object")
  const { status, data } = answer as { status?: unknown; data?: unknown }
  if (status !== "success" || !Array.isArray(data)) throw new Error("the answer is not a list of locations")
  if (data.length > mostAddresses) throw new Error(`the answer has more than ${mostAddresses} locations`)
  return data.flatMap((entry: unknown) => {
    const ip = typeof entry === "object" && entry !== null && "ip" in entry ? entry.ip : undefined
    const host = typeof ip === "string" ? hostOf(ip) : undefined
    return host !== undefined && isPublicUnicast(host) ? [{ host, port }] : []
  })
}

/** Returns the IP address of `203.0.113.7:16127` or `[2001:db8::1]:16127`, also without a port. */
function hostOf(ip: string): string | undefined {
  // An IPv6 zone (`%eth0`) belongs to a link-local address, which is not public.
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

/** Global unicast is 2000::/3 (RFC 4291); these parts of it are not for public use. */
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

/** Returns the message of the cause, because fetch's own is always `fetch failed`. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? reasonOf(error.cause) : reasonOf(error)
}
