import type { AuditLog } from "../../audit/audit-log.ts"
import type { Log } from "../../base/log.ts"
import type { AgentChannel } from "../../channel/dial.ts"
import type { Identity } from "../../channel/identity.ts"
import type { Hello } from "../../channel/messages.ts"
import type { AppConfig } from "../config.ts"
import type { State } from "../../state/state.ts"

/**
 * Whether a node is one of the app's, decided from its first frame before the
 * agent writes a byte. What was dialled is never an argument for it: addresses
 * come from discovery, which may lie.
 */

export interface TrustQuestion {
  readonly app: AppConfig
  /** `host:port` that was dialled. */
  readonly target: string
  readonly channel: Pick<AgentChannel, "peerPin" | "peerSpkiSha256" | "exporter">
  readonly hello: Hello
  readonly identity: Identity
  readonly state: State
  readonly audit: AuditLog
  readonly log: Log
  /** A node that was seen within this time counts as alive, in milliseconds. */
  readonly aliveMs: number
}

/** Resolves with why the node is not trusted, or undefined when it is. */
export type TrustRule = (question: TrustQuestion) => Promise<TrustRefusal | undefined>

export interface TrustRefusal {
  readonly reason: string
  readonly hint?: string
}
