import type { z } from "zod"
import type { AuditLog } from "../../audit/audit-log.ts"
import type { Log } from "../../base/log.ts"
import type { AgentChannel } from "../../channel/dial.ts"
import type { Identity } from "../../channel/identity.ts"
import type { Hello } from "../../channel/messages.ts"
import type { Pin } from "../../channel/pin.ts"
import type { State } from "../../state/state.ts"

/**
 * A way to recognise the nodes of an app: its keys in `purser.yaml`, the resolved form, and its decision. Each kind has
 * a file in `kinds/` and a line in `kinds.ts`. Besides these only `settings.ts` names the kinds, because it documents
 * them for programs.
 */
export interface TrustKind<Keys extends z.ZodRawShape = z.ZodRawShape, Trust extends TrustBase = TrustBase> {
  /** The value of `trust:`. */
  readonly name: Trust["mode"]
  /** Whether nodes get a token with their enrolment string. Otherwise they are known by their pins alone. */
  readonly hasToken: boolean
  /**
   * Returns the keys of an app that belong to this kind. They are optional, because other apps do not have them.
   * zod is passed in, so that a command that reads no configuration does not load it.
   */
  keys(zod: typeof z): Keys
  /** Reports keys that are missing, or that have no meaning without this kind. */
  check?(entry: z.output<z.ZodObject<Keys>>, use: TrustUse): void
  resolve(entry: z.output<z.ZodObject<Keys>>): Trust
  /** Returns the warning that an agent logs at its start for such an app. */
  warning?(app: string): TrustWarning
  /** Returns the warning of `purser check`. */
  checkWarning?(app: string): TrustWarning
  /**
   * Returns whether a peer with this pin may complete the handshake, so that a stranger learns nothing. If absent,
   * every pin may.
   */
  acceptsPin?(trust: Trust, pin: Pin): boolean
  /** Resolves with the reason why the node is not trusted, or undefined when it is. */
  decide(question: TrustQuestion, trust: Trust): Promise<TrustRefusal | undefined>
}

/** The type of `keys` for a kind without any. */
export type NoKeys = Readonly<Record<never, never>>

/** An app's resolved trust; the other keys depend on the kind. */
export interface TrustBase {
  /** The name of the {@link TrustKind}. */
  readonly mode: string
}

export interface TrustUse {
  /** Whether the app uses this kind. */
  readonly isChosen: boolean
  /** `at` is the part of the entry that the message points to. */
  readonly report: (key: string, message: string, hint: string, at?: "key" | "value") => void
}

export interface TrustWarning {
  readonly message: string
  readonly hint: string
}

/**
 * The facts known about a node after its first frame, before the agent has written a byte. The dialled address is never
 * a reason for trust, because addresses come from discovery, which may lie.
 */
export interface TrustQuestion {
  readonly app: TrustingApp
  /** The dialled `host:port`. */
  readonly target: string
  readonly channel: Pick<AgentChannel, "peerPin" | "peerSpkiSha256" | "exporter">
  readonly hello: Hello
  readonly identity: Identity
  readonly state: State
  readonly audit: AuditLog
  readonly log: Log
  /** A node seen within this time, in milliseconds, counts as alive. */
  readonly aliveMs: number
}

export interface TrustingApp {
  readonly name: string
  readonly trust: TrustBase
  /** The number of nodes that may be alive at a time. */
  readonly maxNodes: number
}

export interface TrustRefusal {
  readonly reason: string
  readonly hint?: string
}
