import { asPurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { NodeSpec } from "../node-spec.ts"
import { distinct, type Address } from "./address.ts"
import { lookUpAddresses, lookUpService } from "./dns.ts"
import { lookUpFlux } from "./flux.ts"

/** Where to dial. Whom to trust is decided elsewhere, by what the node proves. */
export interface Discovery {
  /**
   * Every address that is known now; where looking fails, the last good answer stays. `onFound` gets those of each place
   * as soon as it answers, since another may be slow to. Rejects only with the signal's reason.
   */
  look(signal: AbortSignal, onFound?: (addresses: readonly Address[]) => void): Promise<Address[]>
}

export interface DiscoveryOptions {
  log: Log
  /** `host:port` of DNS servers, in the place of the system's. */
  dnsServers?: readonly string[]
  /** The last good answers, for one that comes after this one (the configuration was read again, say). */
  known?: Map<string, readonly Address[]>
  /** Of an answer over HTTP, in milliseconds. Default 10,000. */
  httpLimitMs?: number
}

export function createDiscovery(
  specs: readonly NodeSpec[],
  { log, dnsServers, known: last = new Map(), httpLimitMs }: DiscoveryOptions,
): Discovery {
  const lookAt = async (spec: NodeSpec, signal: AbortSignal): Promise<readonly Address[]> => {
    const key = JSON.stringify(spec)
    try {
      const found = await discover(spec, {
        signal,
        ...(dnsServers === undefined ? {} : { servers: dnsServers }),
        ...(httpLimitMs === undefined ? {} : { timeLimitMs: httpLimitMs }),
      })
      last.set(key, found)
      return found
    } catch (thrown) {
      signal.throwIfAborted()
      const known = last.get(key) ?? []
      log.warn(`${asPurserError(thrown).message}; ${known.length} addresses stay known from before`)
      return known
    }
  }

  return {
    async look(signal, onFound = () => {}) {
      const found = await Promise.all(
        specs.map(async (spec) => {
          const addresses = await lookAt(spec, signal)
          onFound(addresses)
          return addresses
        }),
      )
      return distinct(found.flat())
    },
  }
}

async function discover(
  spec: NodeSpec,
  options: { signal: AbortSignal; servers?: readonly string[]; timeLimitMs?: number },
): Promise<Address[]> {
  switch (spec.kind) {
    case "address":
      return [{ host: spec.host, port: spec.port }]
    case "dns":
      return await lookUpAddresses(spec.name, spec.port, options)
    case "srv":
      return await lookUpService(spec.name, options)
    case "flux":
      return await lookUpFlux({ ...spec, ...options })
  }
}
