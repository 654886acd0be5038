import type { AppConfig } from "../../../apps/config.ts"
import type { Protocol } from "../../../apps/settings.ts"
import { formatAddress, type Address } from "../../../apps/discovery/address.ts"
import { trustKindOf } from "../../../apps/trust/kinds.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import type { TargetKind, Warning } from "../kind.ts"
import { deliverByFluxvault } from "./fluxvault.ts"
import type { DeliverToNode } from "./protocol.ts"
import { deliverByPurser } from "./purser.ts"
import { NodeSearch } from "./search.ts"
import type { NodeTarget } from "./target.ts"

const protocols: Readonly<Record<Protocol, DeliverToNode>> = {
  purser: deliverByPurser,
  fluxvault: deliverByFluxvault,
}

/** Nodes, which the agent dials. Discovery only finds their addresses; trust is decided by what they prove. */
export const nodeKind: TargetKind<NodeTarget> = {
  name: "node",
  appKey: "nodes",
  isFor: ({ nodes }) => nodes.length > 0,
  notFoundHint: "look at the addresses under nodes: of the app, or at what --node names",
  warnings,
  checkWarnings,
  key: ({ app, address }) => `${app} ${formatAddress(address)}`,
  create(parts) {
    const known = new Map<string, readonly Address[]>()
    return {
      open(plan, found) {
        const search = new NodeSearch({ plan, found, parts, known })
        return {
          find: (signal) => search.look(signal),
          watch: (signal) => search.keepLooking(signal),
          async deliver({ address }, delivery, signal) {
            const target = formatAddress(address)
            const turn = { address, target, parts, plan, aliveMs: 2 * plan.everyMs }
            using limit = new TimeLimit(signal, plan.limits.sessionMs)
            await protocols[delivery.app.protocol](delivery, turn, limit.signal)
          },
          [Symbol.asyncDispose]: () => search.ended(),
        }
      },
    }
  },
}

function warnings({ name, protocol, trust }: AppConfig): Warning[] {
  if (protocol === "fluxvault") {
    return [
      {
        message: `${name} speaks FluxVault's protocol: its nodes are not authenticated, and whoever answers at an address can read the content of every name it asks for`,
        hint: "once a node is Purser's, take protocol: fluxvault away and enrol it (docs/fluxvault.md)",
      },
    ]
  }
  const warning = trustKindOf(trust).warning?.(name)
  return warning === undefined ? [] : [warning]
}

function checkWarnings({ name, protocol, trust }: AppConfig): Warning[] {
  if (protocol === "fluxvault") {
    return [
      {
        message: `${name} speaks FluxVault's protocol, in which no end proves who it is`,
        hint: "take protocol: fluxvault away once its nodes are Purser's: docs/fluxvault.md",
      },
    ]
  }
  const warning = trustKindOf(trust).checkWarning?.(name)
  return warning === undefined ? [] : [warning]
}
