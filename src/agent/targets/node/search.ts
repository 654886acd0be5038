import { setTimeout as delay } from "node:timers/promises"
import type { AppConfig } from "../../../apps/config.ts"
import { formatAddress, type Address } from "../../../apps/discovery/address.ts"
import { createDiscovery } from "../../../apps/discovery/discovery.ts"
import { reasonOf } from "../../../base/errors.ts"
import type { AgentParts, FoundTargets, TargetPlan } from "../kind.ts"
import type { NodeTarget } from "./target.ts"

export interface NodeSearchOptions {
  readonly plan: TargetPlan
  readonly found: FoundTargets<NodeTarget>
  readonly parts: Pick<AgentParts, "state" | "log">
  /** The last good answers of discovery, which a plan that replaces another must not lose. */
  readonly known: Map<string, readonly Address[]>
}

/** Looks for the nodes of every app of a plan, and makes targets of what discovery finds. */
export class NodeSearch {
  readonly #options: NodeSearchOptions
  #looking: Promise<unknown> = Promise.resolve()

  constructor(options: NodeSearchOptions) {
    this.#options = options
  }

  /** Looks once. */
  async look(signal: AbortSignal): Promise<void> {
    const { plan, parts } = this.#options
    await Promise.all(
      Object.values(plan.apps).map(async (app) => {
        const discovery = createDiscovery(app.nodes, { log: parts.log })
        const proven = this.#provenAddresses(app)
        await discovery.look(signal, (addresses) => this.#add(app, addresses, proven))
      }),
    )
  }

  /** Looks for each app again and again until the signal. */
  keepLooking(signal: AbortSignal): void {
    const { apps } = this.#options.plan
    this.#looking = Promise.all(Object.values(apps).map((app) => this.#keepLookingFor(app, signal)))
  }

  /** Resolves when the signal has ended {@link keepLooking}. */
  async ended(): Promise<void> {
    await this.#looking
  }

  async #keepLookingFor(app: AppConfig, signal: AbortSignal): Promise<void> {
    const { plan, found, parts, known } = this.#options
    const discovery = createDiscovery(app.nodes, { log: parts.log, known })
    try {
      for (;;) {
        const proven = this.#provenAddresses(app)
        const addresses = await discovery.look(signal, (some) => {
          if (!signal.aborted) this.#add(app, some, proven)
        })
        signal.throwIfAborted()
        const current = new Set(addresses.map(formatAddress))
        found.keepOnly((target) => target.app !== app.name || current.has(formatAddress(target.address)))
        await delay(plan.discoverMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) parts.log.error(`looking for nodes of ${app.name} ended: ${reasonOf(error)}`)
    }
  }

  #add(app: AppConfig, addresses: readonly Address[], proven: ReadonlySet<string>): void {
    for (const address of addresses)
      this.#options.found.add(
        { kind: "node", app: app.name, address },
        { isProven: proven.has(formatAddress(address)) },
      )
  }

  /** Returns none when the state cannot be read, because nodes then only wait a little longer for their turn. */
  #provenAddresses({ name }: AppConfig): Set<string> {
    const { state, log } = this.#options.parts
    try {
      return new Set(state.nodes.provenAddresses(name))
    } catch (error) {
      log.error(`cannot tell which nodes of ${name} are known: ${reasonOf(error)}`)
      return new Set()
    }
  }
}
