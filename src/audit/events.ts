import type { ErrorCode } from "../base/errors.ts"

/**
 * Every event of the audit log, as a union over `kind`. `event-table.ts` describes the same kinds and fields for the
 * documentation. Text of peers is not escaped here, because JSON escapes it in the file and `purser audit` when it prints.
 */

export type AuditEvent =
  | DeliveredEvent
  | MissingEvent
  | DeniedEvent
  | FailedEvent
  | RolledBackEvent
  | SessionEvent
  | RejectedEvent
  | AlertEvent
  | TrustEvent
  | EnrolmentEvent
  | IdentityEvent
  | IssuedEvent
  | RenewedEvent
  | SignedEvent

export type AuditKind = AuditEvent["kind"]

/** A node that was dialled by Purser's own protocol. */
export interface DialledNode {
  readonly app: string
  /** `host:port` as it was dialled. */
  readonly address: string
  /** The pin of the key that the node showed; absent when the connection ended before that. */
  readonly pin?: string
  /** The name that the node claims; absent before its first frame. */
  readonly node?: string
}

/** A node whose `hello` was read. */
export interface IdentifiedNode extends DialledNode {
  readonly pin: string
  readonly node: string
}

/** A node that speaks FluxVault's protocol, which has neither a key nor a name. */
export interface AuditedFluxvaultNode {
  readonly app: string
  readonly address: string
  readonly protocol: "fluxvault"
}

export interface AuditedDirectory {
  readonly app: string
  readonly directory: string
}

export interface AuditedContainer {
  readonly app: string
  /** The full id. */
  readonly container: string
  readonly name: string
}

/** One secret or action that was asked for, and its target. */
export type AuditedRequest = EachAlone<
  | (DialledNode & {
      /** `file`, or the action's name. */
      readonly action: string
      /** The secret's name as the node sent it; absent when an action was asked for. */
      readonly secret?: string
    })
  | (AuditedFluxvaultNode & {
      readonly action: "file"
      readonly secret: string
      /** The name by which the file was asked for, where the grant has an `as:`. */
      readonly as?: string
    })
  | (AuditedDirectory & { readonly secret: string })
  | (AuditedContainer & { readonly secret: string })
>

/** A secret, or the result of an action, was sent. */
export type DeliveredEvent = AuditedRequest & {
  readonly kind: "delivered"
  /** `AuditLog.contentTag` of the secret; absent when it is the result of an action. */
  readonly content?: string
}

/** No source has the secret. */
export type MissingEvent = AuditedRequest & { readonly kind: "missing" }

/** The app is not granted the secret or action. */
export type DeniedEvent = AuditedRequest & { readonly kind: "denied" }

/** The source or the action failed. */
export type FailedEvent = AuditedRequest & { readonly kind: "failed"; readonly reason?: string }

/** New files were not served, and the previous ones were put back. */
export type RolledBackEvent = EachAlone<AuditedDirectory | AuditedContainer> & {
  readonly kind: "rolled-back"
  /** The names or paths of the files, separated by spaces. */
  readonly files: string
  readonly reason: string
}

/** One delivery to a node is over. */
export type SessionEvent = EachAlone<
  | (IdentifiedNode & {
      /** The TLS name of the key exchange group. */
      readonly group: string
    })
  | AuditedFluxvaultNode
> & {
  readonly kind: "session"
  readonly status: "ok" | "failed"
  readonly sent: number
  readonly matched: number
  readonly missing: number
  readonly error?: ErrorCode
}

/** A peer was not trusted, or a container asked for an app that it may not have. */
export type RejectedEvent = EachAlone<
  DialledNode | AuditedFluxvaultNode | (AuditedContainer & { readonly image: string })
> & { readonly kind: "rejected"; readonly reason: string }

/** An operator should look at this. */
export type AlertEvent = EachAlone<IdentifiedNode | AuditedFluxvaultNode> & {
  readonly kind: "alert"
  readonly reason: "waits for approval" | "max_nodes"
}

/** A node replaced another, or an operator decided about one. */
export type TrustEvent = EachAlone<
  | (IdentifiedNode & {
      /** The pin of the previous node at this address. */
      readonly replaces: string
    })
  | { readonly app: string; readonly pin: string; readonly change: "approved" | "rejected" }
  | { readonly pin: string; readonly change: "forgotten" }
  | { readonly address: string; readonly change: "forgotten" }
> & { readonly kind: "trust" }

/** The token of an app changed, or was shown. */
export interface EnrolmentEvent {
  readonly kind: "enrolment"
  readonly app: string
  readonly change: "created" | "shown" | "rotated" | "revoked"
  /** The number of revoked tokens. */
  readonly tokens?: number
}

/** The key of the agent changes. */
export interface IdentityEvent {
  readonly kind: "identity"
  readonly change: "prepared" | "promoted"
  readonly pin: string
}

interface Certificate {
  /** The name by which the CA lists it. */
  readonly certificate: string
  /** The serial number in hex. */
  readonly serial: string
  /** The DNS names, IP addresses and mail addresses, separated by spaces. */
  readonly names: string
  /** The time at which it expires, in ISO 8601. */
  readonly until: string
}

/** A source of the agent had a certificate made for the first time. */
export interface IssuedEvent extends Certificate {
  readonly kind: "issued"
}

/** A source of the agent had a certificate made again. */
export interface RenewedEvent extends Certificate {
  readonly kind: "renewed"
}

/** A node had a certificate signed by the action `certificate`. */
export interface SignedEvent extends Certificate, IdentifiedNode {
  readonly kind: "signed"
}

/** The union with the other members' fields forbidden in each member, so that no object mixes the fields of two. */
type EachAlone<Union, Member = Union> = Member extends unknown
  ? Member & { readonly [Field in Exclude<FieldsOf<Union>, keyof Member>]?: never }
  : never

/** The fields of all members of a union. */
export type FieldsOf<Union> = Union extends unknown ? keyof Union : never
