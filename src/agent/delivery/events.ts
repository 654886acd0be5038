import type { PurserError } from "../../base/errors.ts"
import type { Pin } from "../../channel/pin.ts"

/** The result for one file of a delivery. */
export type FileStatus = "sent" | "match" | "missing" | "denied" | "failed"

/** `ok`: all required is in place and reloaded. `refused`: the peer is not trusted. */
export type DeliveryStatus = "ok" | "failed" | "refused"

export interface FileEvent {
  readonly type: "file"
  readonly app: string
  /** `host:port` of a node, the path of a directory, or the name of a container. */
  readonly target: string
  /** Full id of a container. */
  readonly container?: string
  /** As the node calls itself: escape it before it is shown. */
  readonly node?: string
  readonly secret: string
  readonly status: FileStatus
}

export interface DeliveryEvent {
  readonly type: "delivery"
  readonly app: string
  readonly target: string
  /** Full id of a container. */
  readonly container?: string
  readonly node?: string
  readonly pin?: Pin
  readonly status: DeliveryStatus
  readonly sent: number
  readonly matched: number
  readonly missing: number
  readonly durationMs: number
  readonly error?: PurserError
}

export interface StartEvent {
  readonly type: "start"
  readonly app: string
  readonly target: string
  /** Full id of a container. */
  readonly container?: string
}

export type AgentEvent = StartEvent | FileEvent | DeliveryEvent
