import { asPurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { distinct, type Address } from "./address.ts"
import type { DiscoveryKind, LookOptions, NodeSpecBase } from "./kind.ts"
import { discoveryKinds, type NodeSpec } from "./kinds.ts"

/** Finds addresses to dial. It does not decide about trust, which depends on the node's proof. */
export interface Discovery {
  /**
   * Resolves with every address known now; if a lookup fails, its last good result is kept. `onFound` gets the
   * addresses of each entry as soon as they are known, because another may be slow. Rejects only with the signal's
   * reason.
   */
  look(signal: AbortSignal, onFound?: (addresses: readonly Address[]) => void): Promise<Address[]>
}

export interface DiscoveryOptions extends Omit<LookOptions, "signal"> {
  readonly log: Log
  /** The last good results, to pass on to a later discovery (for example after a reload of the configuration). */
  readonly known?: Map<string, readonly Address[]>
}

/** `kinds` defaults to all of Purser's. */
export function createDiscovery(specs: readonly NodeSpec[], options: DiscoveryOptions): Discovery
export function createDiscovery(
  specs: readonly NodeSpecBase[],
  options: DiscoveryOptions,
  kinds: readonly DiscoveryKind[],
): Discovery
export function createDiscovery(
  specs: readonly NodeSpecBase[],
  { log, known: last = new Map(), ...options }: DiscoveryOptions,
  kinds: readonly DiscoveryKind[] = discoveryKinds,
): Discovery {
  const lookAt = async (spec: NodeSpecBase, signal: AbortSignal): Promise<readonly Address[]> => {
    const key = JSON.stringify(spec)
    try {
      const found = await kindOf(spec, kinds).look(spec, { ...options, signal })
      last.set(key, found)
      return found
    } catch (thrown) {
      signal.throwIfAborted()
      const known = last.get(key) ?? []
      log.warn(`${asPurserError(thrown).message}; keeping ${known.length} addresses from the last lookup`)
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

function kindOf(spec: NodeSpecBase, kinds: readonly DiscoveryKind[]): DiscoveryKind {
  const kind = kinds.find(({ name }) => name === spec.kind)
  if (kind === undefined) throw new TypeError(`there is no kind of discovery ${spec.kind}`)
  return kind
}
