import type { z } from "zod"
import type { AuditLog } from "../../audit/audit-log.ts"
import type { Log } from "../../base/log.ts"
import type { AgentChannel } from "../../channel/dial.ts"
import type { Identity } from "../../channel/identity.ts"
import type { Hello } from "../../channel/messages.ts"
import type { Pin } from "../../channel/pin.ts"
import type { State } from "../../state/state.ts"

/**
 * A way to recognise the nodes of an app: how `purser.yaml` writes it, what that becomes, and how it decides. Each kind
 * has a file in `kinds/` and a line in `kinds.ts`; of the rest only `settings.ts` knows which kinds there are, because
 * it is what programs read.
 */
export interface TrustKind<Keys extends z.ZodRawShape = z.ZodRawShape, Trust extends TrustBase = TrustBase> {
  /** The word under `trust:`. */
  readonly name: Trust["mode"]
  /** Nodes get a token by their enrolment string. Those of other kinds are known by their pins alone. */
  readonly hasToken: boolean
  /**
   * Returns the keys of an app that belong to this kind. They must be optional, because other apps do not have them.
   * zod is passed in, so that a command that reads no configuration does not load it.
   */
  keys(zod: typeof z): Keys
  /** Reports keys that are lacking, or that have no meaning without this kind. */
  check?(entry: z.output<z.ZodObject<Keys>>, use: TrustUse): void
  resolve(entry: z.output<z.ZodObject<Keys>>): Trust
  /** Logged when an agent begins with such an app. */
  warning?(app: string): TrustWarning
  /** The warning of `purser check`. */
  checkWarning?(app: string): TrustWarning
  /** Asked during the handshake, so that a stranger learns nothing. Absent: every pin gets to its hello. */
  acceptsPin?(trust: Trust, pin: Pin): boolean
  /** Resolves with the reason why the node is not trusted, or undefined when it is. */
  decide(question: TrustQuestion, trust: Trust): Promise<TrustRefusal | undefined>
}

/** The keys of a kind that has none. */
export type NoKeys = Readonly<Record<never, never>>

/** How an app recognises its nodes; what else it says is its kind's own. */
export interface TrustBase {
  /** The name of the {@link TrustKind}. */
  readonly mode: string
}

export interface TrustUse {
  /** Whether this is the kind of the app's trust. */
  readonly isChosen: boolean
  /** `at` is the part of the entry to which the message points. */
  readonly report: (key: string, message: string, hint: string, at?: "key" | "value") => void
}

export interface TrustWarning {
  readonly message: string
  readonly hint: string
}

/**
 * The node after its first frame, before the agent has written a byte. The address that was dialled is never an
 * argument for trust, because addresses come from discovery, which may lie.
 */
export interface TrustQuestion {
  readonly app: TrustingApp
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

export interface TrustingApp {
  readonly name: string
  readonly trust: TrustBase
  /** Nodes that may be alive at a time. */
  readonly maxNodes: number
}

export interface TrustRefusal {
  readonly reason: string
  readonly hint?: string
}
