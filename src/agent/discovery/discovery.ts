import { PurserError, asPurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { NodeSpec } from "../config.ts"
import { distinct, mostAddresses, type Address } from "./address.ts"
import { lookUpAddresses, lookUpService } from "./dns.ts"
import { lookUpFlux } from "./flux.ts"

/** Where to dial. Whom to trust is decided elsewhere, by what the node proves. */
export interface Discovery {
  /** Every address that is known now; where looking fails, the last good answer stays. Rejects only with the signal's reason. */
  look(signal: AbortSignal): Promise<Address[]>
}

export interface DiscoveryOptions {
  log: Log
  /** `host:port` of DNS servers, in the place of the system's. */
  dnsServers?: readonly string[]
}

export function createDiscovery(
  specs: readonly NodeSpec[],
  { log, dnsServers }: DiscoveryOptions,
): Discovery {
  const last = new Map<NodeSpec, readonly Address[]>()

  const lookAt = async (spec: NodeSpec, signal: AbortSignal): Promise<readonly Address[]> => {
    try {
      const found = await discover(spec, {
        signal,
        ...(dnsServers === undefined ? {} : { servers: dnsServers }),
      })
      if (found.length > mostAddresses)
        throw new PurserError("ERR_DISCOVERY", `more than ${mostAddresses} addresses were found`)
      last.set(spec, found)
      return found
    } catch (thrown) {
      signal.throwIfAborted()
      const known = last.get(spec) ?? []
      log.warn(`${asPurserError(thrown).message}; ${known.length} addresses stay known from before`)
      return known
    }
  }

  return {
    async look(signal) {
      const found = await Promise.all(specs.map((spec) => lookAt(spec, signal)))
      return distinct(found.flat())
    },
  }
}

async function discover(
  spec: NodeSpec,
  options: { signal: AbortSignal; servers?: readonly string[] },
): Promise<Address[]> {
  switch (spec.kind) {
    case "address":
      return [{ host: spec.host, port: spec.port }]
    case "dns":
      return await lookUpAddresses(spec.name, spec.port, options)
    case "srv":
      return await lookUpService(spec.name, options)
    case "flux":
      return await lookUpFlux({ ...spec, signal: options.signal })
  }
}
