import type { ErrorCode } from "../base/errors.ts"

/**
 * Every decision that the audit log knows, as a union over `kind`. `event-table.ts` describes the same kinds and fields
 * for the documentation. Text of peers needs no escaping here: JSON escapes it, and `purser audit` does when it prints.
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

/** A node of Purser's own, as far as it is known. */
export interface DialledNode {
  readonly app: string
  /** `host:port` as it was dialled. */
  readonly address: string
  /** The key that was shown; absent when the connection ended before that. */
  readonly pin?: string
  /** As the node calls itself; absent before its first frame. */
  readonly node?: string
}

/** A node whose hello was read. */
export interface IdentifiedNode extends DialledNode {
  readonly pin: string
  readonly node: string
}

/** A node of FluxVault's own, which has neither a key nor a name. */
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
  /** Full id. */
  readonly container: string
  readonly name: string
}

/** One thing that was asked for, and for whom. */
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

/** The app is not granted it. */
export type DeniedEvent = AuditedRequest & { readonly kind: "denied" }

/** The source or the action failed. */
export type FailedEvent = AuditedRequest & { readonly kind: "failed"; readonly reason?: string }

/** New files were not served, and the previous ones were put back. */
export type RolledBackEvent = EachAlone<AuditedDirectory | AuditedContainer> & {
  readonly kind: "rolled-back"
  /** Names or paths of the files, with spaces between. */
  readonly files: string
  readonly reason: string
}

/** One delivery to a node is over. */
export type SessionEvent = EachAlone<
  | (IdentifiedNode & {
      /** Key exchange group, as TLS names it. */
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

/** A peer was not trusted, or a container asked in vain. */
export type RejectedEvent = EachAlone<
  DialledNode | AuditedFluxvaultNode | (AuditedContainer & { readonly image: string })
> & { readonly kind: "rejected"; readonly reason: string }

/** Somebody should look. */
export type AlertEvent = EachAlone<IdentifiedNode | AuditedFluxvaultNode> & {
  readonly kind: "alert"
  readonly reason: "waits for approval" | "max_nodes"
}

/** Another node than before is trusted, or a person decided about one. */
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
  /** How many were revoked. */
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
  /** Serial number in hex. */
  readonly serial: string
  /** DNS names, IP addresses and mail addresses, with spaces between. */
  readonly names: string
  /** When it expires, in ISO 8601. */
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

/** A union whose members exclude each other's fields: an object of two halves is none of them. */
type EachAlone<Union, Member = Union> = Member extends unknown
  ? Member & { readonly [Field in Exclude<FieldsOf<Union>, keyof Member>]?: never }
  : never

/** The fields of all members of a union. */
export type FieldsOf<Union> = Union extends unknown ? keyof Union : never
