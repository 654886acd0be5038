import type { AuditLog } from "../audit/audit-log.ts"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { connectToNode } from "../channel/dial.ts"
import type { Identity } from "../channel/identity.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import type { Done, Hello } from "../channel/messages.ts"
import type { Action } from "./actions/action.ts"
import type { Reply } from "./answer.ts"
import type { AppConfig } from "./config.ts"
import { formatAddress, type Address } from "./discovery/address.ts"
import type { AgentEvent, DeliveryEvent, DeliveryStatus } from "./events.ts"
import type { GrantedSecrets } from "./granted.ts"
import { serveNode } from "./session.ts"
import type { State } from "./state.ts"
import { decideTrust } from "./trust/trust.ts"

/** One delivery to one node: dial, trust, answer, and write down what came of it. */

export interface DeliverOptions {
  app: AppConfig
  address: Address
  identity: Identity
  secrets: GrantedSecrets
  actions: Readonly<Record<string, Action>>
  actionMs: number
  limits: ChannelLimits
  /** A node that was seen within this time counts as alive. */
  aliveMs: number
  state: State
  audit: AuditLog
  log: Log
  onEvent: (event: AgentEvent) => void
}

/** Never rejects: what went wrong is in the event. */
export async function deliverToNode(options: DeliverOptions, signal: AbortSignal): Promise<DeliveryEvent> {
  const { app, address, state, audit, log, onEvent, limits } = options
  const target = formatAddress(address)
  const begun = performance.now()
  const counts = { sent: 0, matched: 0, missing: 0 }
  const peer: { node?: string; pin?: string; group?: string } = {}
  onEvent({ type: "start", app: app.name, target })

  const onReply = async (reply: Reply): Promise<void> => {
    if (reply.status === "sent") counts.sent++
    else if (reply.status === "match") counts.matched++
    else counts.missing++
    if (reply.status !== "match") await audit.append({})
  }
}
