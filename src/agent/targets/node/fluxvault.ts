import { isUtf8 } from "node:buffer"
import type { AuditLog } from "../../../audit/audit-log.ts"
import type { FluxvaultNode } from "../../../audit/events.ts"
import { PurserError, asPurserError, isPurserError } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import type { Secret } from "../../../base/secret.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import { crc32 } from "../../../channel/fluxvault/crc32.ts"
import { connectToFluxvaultNode } from "../../../channel/fluxvault/dial.ts"
import type { FileAnswer, FileRequest } from "../../../channel/fluxvault/messages.ts"
import type { ChannelLimits } from "../../../channel/limits.ts"
import type { AppConfig } from "../../../apps/config.ts"
import { formatAddress, type Address } from "../../../apps/discovery/address.ts"
import type { AgentEvent, DeliveryEvent, FileStatus } from "../../delivery/events.ts"
import type { GrantedSecrets } from "../../delivery/granted.ts"
import type { NodeSighting } from "../../../state/nodes.ts"
import type { State } from "../../../state/state.ts"

/**
 * One delivery to a node of FluxVault's own. Nothing proves who answers at the
 * address, so what stands between a secret and everybody are the app's grants,
 * and everything is in the audit log before it is sent.
 */

export interface FluxvaultDelivery {
  app: AppConfig
  address: Address
  secrets: GrantedSecrets
  limits: ChannelLimits
  /** A node that was seen within this time counts as alive. */
  aliveMs: number
  state: State
  audit: AuditLog
  log: Log
  onEvent: (event: AgentEvent) => void
}

/** How this protocol is called in the audit log, and its nodes, which have no names, in `purser nodes`. */
const protocol = "fluxvault"

interface Counts {
  sent: number
  matched: number
  missing: number
}

/** Never rejects: what went wrong is in the event. */
export async function deliverToFluxvaultNode(
  options: FluxvaultDelivery,
  signal: AbortSignal,
): Promise<DeliveryEvent> {
  const { app, address, limits, onEvent } = options
  const target = formatAddress(address)
  const of = { app: app.name, target }
  const begun = performance.now()
  onEvent({ type: "start", ...of })
  const counts: Counts = { sent: 0, matched: 0, missing: 0 }
  let error: PurserError | undefined
  try {
    using limit = new TimeLimit(signal, limits.sessionMs)
    await converse(options, target, counts, limit.signal)
  } catch (thrown) {
    error = asPurserError(thrown)
  }
  const event: DeliveryEvent = {
    type: "delivery",
    ...of,
    status: error === undefined ? "ok" : isPurserError(error, "ERR_UNTRUSTED") ? "refused" : "failed",
    ...counts,
    durationMs: Math.round(performance.now() - begun),
    ...(error === undefined ? {} : { error }),
  }
  return event
}

async function converse(
  options: FluxvaultDelivery,
  target: string,
  counts: Counts,
  signal: AbortSignal,
): Promise<void> {
  const { app, address, limits, audit, state } = options
  const who: FluxvaultNode = { app: app.name, address: target, protocol }
  await using channel = await connectToFluxvaultNode({ ...address, limits, signal }).catch(async (error) => {
    if (isPurserError(error, "ERR_PROTOCOL"))
      await audit.append({ kind: "rejected", ...who, reason: error.message })
    throw error
  })
  await takePlace(options, who)
  let error: PurserError | undefined
  try {
    for (;;) {
      const request = await channel.next(signal)
      if (request === null) break
      await channel.answer(request, await decide(request, options, target, counts, signal), signal)
    }
  } catch (thrown) {
    error = asPurserError(thrown)
  }
  const status = error === undefined ? "ok" : "failed"
  state.nodes.record(seen(who, status, error?.message ?? null))
  await audit.append({
    kind: "session",
    ...who,
    status,
    ...counts,
    ...(error === undefined ? {} : { error: error.code }),
  })
  if (error !== undefined) throw error
}

/** The node at a known address counts once. Whether there is place, and taking it, is one step: others may come at once. */
async function takePlace(
  { app, state, audit, log, aliveMs }: FluxvaultDelivery,
  who: FluxvaultNode,
): Promise<void> {
  const { address } = who
  const alive =
    state.nodes.countKnown(app.name) < app.maxNodes ? 0 : state.nodes.countAlive(app.name, aliveMs, address)
  if (alive < app.maxNodes) return state.nodes.record(seen(who, "failed", "the delivery has not ended"))
  const reason = `${app.name} has ${alive} nodes alive already, and max_nodes is ${app.maxNodes}`
  log.warn(`alert: one node too many at ${address}: ${reason}`)
  await audit.append({ kind: "alert", ...who, reason: "max_nodes" })
  await audit.append({ kind: "rejected", ...who, reason })
  throw new PurserError("ERR_UNTRUSTED", `refused ${address}: ${reason}`, {
    hint: "raise max_nodes, or forget nodes that are gone with purser nodes forget",
  })
}

function seen(
  { app, address }: FluxvaultNode,
  state: NodeSighting["state"],
  error: string | null,
): NodeSighting {
  return { app, address, pin: "", name: protocol, state, error }
}

/** Resolves once the decision is in the audit log. */
async function decide(
  request: FileRequest,
  options: FluxvaultDelivery,
  target: string,
  counts: Counts,
  signal: AbortSignal,
): Promise<FileAnswer> {
  const { app, audit, onEvent } = options
  // Looked up, and never made a path of.
  const secret = app.aliases.find(({ as }) => as === request.name)?.secret ?? request.name
  const { status, content, reason } = await look(secret, request, options, signal)
  if (status !== "match") {
    const what = {
      app: app.name,
      address: target,
      protocol,
      action: "file",
      secret,
      ...(secret === request.name ? {} : { as: request.name }),
    } as const
    if (status === "sent") {
      const tag = content === undefined ? {} : { content: audit.contentTag(content) }
      await audit.append({ kind: "delivered", ...what, ...tag })
    } else if (status === "failed") {
      await audit.append({ kind: "failed", ...what, ...(reason === undefined ? {} : { reason }) })
    } else await audit.append({ kind: status, ...what })
  }
  if (status === "sent") counts.sent++
  else if (status === "match") counts.matched++
  else counts.missing++
  onEvent({ type: "file", app: app.name, target, secret, status })
  if (status === "sent") return { status: "Success", body: content?.revealText() ?? "" }
  // There is no other word here for what the node does not get.
  return { status: status === "match" ? "Match" : "FileNotFound", body: "" }
}

interface Found {
  status: FileStatus
  content?: Secret
  /** Why it is not sent although there is one. */
  reason?: string
}

async function look(
  name: string,
  request: FileRequest,
  { app, secrets, limits, log }: FluxvaultDelivery,
  signal: AbortSignal,
): Promise<Found> {
  try {
    const content = await secrets.read(name, signal)
    if (content === null) return { status: "missing" }
    if (!isUtf8(content.reveal())) {
      const reason = "it is not UTF-8 text, which is all that FluxVault's protocol can carry"
      log.warn(`${name} is not sent to ${app.name}: ${reason}`, {
        hint: "change the node for Purser's, and take protocol: fluxvault away",
      })
      return { status: "failed", reason }
    }
    if (content.sizeBytes > limits.secretBytes) {
      throw new PurserError(
        "ERR_SECRET_TOO_LARGE",
        `${name} has ${content.sizeBytes} bytes, the limit is ${limits.secretBytes}`,
        { hint: "raise limits.secret_bytes, up to 16 MiB" },
      )
    }
    return { status: crc32(content.reveal()) === request.crc32 ? "match" : "sent", content }
  } catch (thrown) {
    if (signal.aborted) throw thrown
    const error = asPurserError(thrown)
    const isDenied = error.code === "ERR_NOT_GRANTED"
    log[isDenied ? "warn" : "error"](error.message, errorFields(error))
    return { status: isDenied ? "denied" : "failed" }
  }
}
