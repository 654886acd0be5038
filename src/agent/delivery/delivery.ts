import type { AppConfig } from "../../apps/config.ts"
import type { AuditLog } from "../../audit/audit-log.ts"
import type { AuditedContainer, AuditedDirectory, AuditedRequest, SessionEvent } from "../../audit/events.ts"
import { asPurserError, isPurserError, type PurserError } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import type { Pin } from "../../channel/pin.ts"
import type { AgentEvent, DeliveryEvent, DeliveryStatus, FileStatus } from "./events.ts"
import type { GrantedSecrets } from "./granted.ts"

/**
 * One delivery to one target, of whatever kind. It is timed here, its files are counted, its failure is caught, its
 * lines are written to the audit log and its events emitted. The work of the target's kind is passed to {@link run}.
 */

export interface DeliveryOptions {
  readonly app: AppConfig
  /** The only way to the content of a secret. */
  readonly secrets: GrantedSecrets
  readonly audit: AuditLog
  readonly onEvent: (event: AgentEvent) => void
}

/** How events call the target. */
export interface Recipient {
  readonly target: string
  /** Full id of a container. */
  readonly container?: string
}

/** The pin that a peer has proved, and the name that it gives itself. */
export interface DeliveredPeer {
  readonly pin?: Pin
  readonly node?: string
}

/** The answer to one request. */
export interface Decision {
  readonly status: FileStatus
  /** For the audit log: why it failed. */
  readonly reason?: string | undefined
  /** The secret that is sent; undefined for the result of an action. */
  readonly content?: Secret | undefined
}

/** How a peer's session ended, as its line in the audit log has it. */
export type SessionEnd = Pick<SessionEvent, "status" | "sent" | "matched" | "missing" | "error">

export class Delivery {
  readonly app: AppConfig
  readonly secrets: GrantedSecrets
  readonly #options: DeliveryOptions
  readonly #counts = { sent: 0, matched: 0, missing: 0 }
  #recipient: Recipient = { target: "" }
  #peer: DeliveredPeer = {}
  #endSession: ((end: SessionEnd, error: PurserError | undefined) => SessionEvent) | undefined
  #isStarted = false

  constructor(options: DeliveryOptions) {
    this.app = options.app
    this.secrets = options.secrets
    this.#options = options
  }

  /**
   * Runs the delivery. Resolves with how it ended, which was emitted too, or with undefined where `work` never called
   * {@link start} because there was nothing to deliver. Never rejects.
   */
  async run(work: (delivery: this) => Promise<void>): Promise<DeliveryEvent | undefined> {
    const begun = performance.now()
    let error: PurserError | undefined
    try {
      await work(this)
    } catch (thrown) {
      error = asPurserError(thrown)
    }
    if (!this.#isStarted && error === undefined) return undefined
    const event: DeliveryEvent = {
      type: "delivery",
      app: this.app.name,
      ...this.#recipient,
      ...(this.#peer.node === undefined ? {} : { node: this.#peer.node }),
      ...(this.#peer.pin === undefined ? {} : { pin: this.#peer.pin }),
      status: statusOf(error),
      ...this.#counts,
      durationMs: Math.round(performance.now() - begun),
      ...(error === undefined ? {} : { error }),
    }
    await this.#recordSession(event)
    this.#options.onEvent(event)
    return event
  }

  /** Tells how to call the target if the delivery fails before {@link start}. */
  aim(recipient: Recipient): void {
    this.#recipient = recipient
  }

  /** Called once, before a file of the target is told. */
  start(recipient: Recipient): void {
    this.#recipient = recipient
    this.#isStarted = true
    this.#options.onEvent({ type: "start", app: this.app.name, ...recipient })
  }

  /** Adds what is known of the peer by now. */
  meet(peer: DeliveredPeer): void {
    this.#peer = { ...this.#peer, ...peer }
  }

  /** From now on the delivery is a session, whose end gets a line in the audit log unless the peer is refused. */
  openSession(end: (end: SessionEnd, error: PurserError | undefined) => SessionEvent): void {
    this.#endSession = end
  }

  /** Resolves when the line is on disk. A match has no line. */
  async record(request: AuditedRequest, { status, reason, content }: Decision): Promise<void> {
    const { audit } = this.#options
    switch (status) {
      case "match":
        return
      case "sent": {
        const tag = content === undefined ? {} : { content: audit.contentTag(content) }
        return await audit.append({ kind: "delivered", ...request, ...tag })
      }
      case "missing":
        return await audit.append({ kind: "missing", ...request })
      case "denied":
        return await audit.append({ kind: "denied", ...request })
      case "failed":
        return await audit.append({ kind: "failed", ...request, ...(reason === undefined ? {} : { reason }) })
    }
  }

  /** Counts a file, and tells what became of it. */
  tell(secret: string, status: FileStatus): void {
    if (status === "sent") this.#counts.sent++
    else if (status === "match") this.#counts.matched++
    else this.#counts.missing++
    const { node } = this.#peer
    const peer = node === undefined ? {} : { node }
    const { app } = this
    this.#options.onEvent({ type: "file", app: app.name, ...this.#recipient, ...peer, secret, status })
  }

  /** New files failed their check, so that the old ones are back. */
  async recordRollback(
    place: AuditedDirectory | AuditedContainer,
    files: readonly string[],
    { message: reason }: PurserError,
  ): Promise<void> {
    const { audit } = this.#options
    await audit.append({ kind: "rolled-back", ...place, files: files.join(" "), reason })
  }

  /** The same target once more, within this delivery: files are told, and not counted again. */
  repeated(): Delivery {
    const again = new Delivery(this.#options)
    again.#recipient = this.#recipient
    again.#isStarted = true
    return again
  }

  async #recordSession({ status, error, sent, matched, missing }: DeliveryEvent): Promise<void> {
    // A refusal has a line of its own.
    if (this.#endSession === undefined || status === "refused") return
    const code = error === undefined ? {} : { error: error.code }
    try {
      const event = this.#endSession({ status, sent, matched, missing, ...code }, error)
      await this.#options.audit.append(event)
    } catch {
      // The audit log has logged it.
    }
  }
}

function statusOf(error: PurserError | undefined): DeliveryStatus {
  if (error === undefined) return "ok"
  return isPurserError(error, "ERR_UNTRUSTED") ? "refused" : "failed"
}
