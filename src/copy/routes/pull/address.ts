import { readFile } from "node:fs/promises"
import { endianness } from "node:os"
import { inspectContainer } from "../../../docker/containers.ts"
import type { Engine } from "../../../docker/engine.ts"
import { inspectNetwork } from "../../../docker/networks.ts"
import { RouteUnsuitable } from "../../route.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"

/** Finds the address of this machine that a container can reach. */

/** Returns why there can be no such address, or null. Asks neither the engine nor the network. */
export function whyNoAddress(
  { isLocal }: Pick<Engine, "isLocal">,
  { hostConfigNetworkMode: mode }: ContainerDetails,
  { serveAddress, isolate = false }: { readonly serveAddress?: string; readonly isolate?: boolean },
): string | null {
  if (isolate && !isLocal) return "the temporary network would be on another machine (--isolate)"
  if (isolate && (mode === "host" || mode === "none" || mode.startsWith("container:")))
    return `its network is ${mode.replace(/:.*/, "")}, which allows no second one (--isolate)`
  if (isolate || serveAddress !== undefined) return null
  if (mode === "none") return "it has no network"
  return isLocal
    ? null
    : "the engine is on another machine: give --serve-address, the address at which it reaches this machine"
}

/** Returns the gateway of one of the container's networks. Throws {@link RouteUnsuitable} if none has one. */
export async function gatewayOf(
  engine: Engine,
  container: ContainerDetails,
  signal: AbortSignal,
): Promise<string> {
  const [, shared] = /^container:(.+)$/.exec(container.hostConfigNetworkMode) ?? []
  if (shared !== undefined) return gatewayOf(engine, await inspectContainer(engine, shared, signal), signal)
  if (container.hostConfigNetworkMode === "host") return "127.0.0.1"
  for (const { networkId, gateway } of Object.values(container.networks)) {
    if (gateway !== "") return gateway
    // The engine gives containers no gateway on an internal network, but this machine has an address there.
    const { driver, subnets } = await inspectNetwork(engine, networkId, signal)
    const found = subnets.find((subnet) => subnet.gateway !== "")?.gateway
    if (driver === "bridge" && found !== undefined) return found.replace(/\/\d+$/, "")
  }
  throw new RouteUnsuitable("none of its networks has a gateway: give --serve-address, or --isolate")
}

/**
 * Returns the address at which a build on this machine reaches it: the engine's default bridge, or loopback if there is
 * none.
 */
export async function builderAddress(): Promise<string> {
  // os.networkInterfaces() is not used, because it leaves out a bridge without connected containers.
  const [routes, addresses] = await Promise.all(
    ["route", "fib_trie"].map((name) => readFile(`/proc/net/${name}`, "latin1").catch(() => "")),
  )
  const [, network = "", mask = ""] =
    /^docker0\t([0-9A-F]{8})\t0{8}\t(?:\S+\t){4}([0-9A-F]{8})\t/m.exec(routes ?? "") ?? []
  const locals = (addresses ?? "").matchAll(/-- ([0-9.]+)\n\s+\/32 host LOCAL/g)
  for (const [, address = ""] of network === "" ? [] : locals) {
    if (masked(inHostOrder(address), Number(`0x${mask}`)) === Number(`0x${network}`)) return address
  }
  return "127.0.0.1"
}

function masked(address: number, mask: number): number {
  return (address & mask) >>> 0
}

/**
 * Returns an IPv4 address as the kernel prints it: bytes in network order, read as a number of this machine's byte
 * order.
 */
function inHostOrder(address: string): number {
  const bytes = Buffer.from(address.split(".").map(Number))
  return endianness() === "LE" ? bytes.readUInt32LE() : bytes.readUInt32BE()
}
