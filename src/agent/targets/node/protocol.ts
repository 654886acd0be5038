import type { Address } from "../../../apps/discovery/address.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import type { AgentParts, TargetPlan } from "../kind.ts"

/** Delivers to one node in the language that it speaks. The signal ends the session at its time limit too. */
export type DeliverToNode = (delivery: Delivery, turn: NodeTurn, signal: AbortSignal) => Promise<void>

export interface NodeTurn {
  readonly address: Address
  /** `host:port`, as events, the audit log and the state call the node. */
  readonly target: string
  readonly parts: AgentParts
  readonly plan: TargetPlan
  /** A node that was seen within this time counts as alive, in milliseconds. */
  readonly aliveMs: number
}
