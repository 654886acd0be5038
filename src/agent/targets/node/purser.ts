import type { AuditLog } from "../../../audit/audit-log.ts"
import { PurserError, asPurserError, isPurserError } from "../../../base/errors.ts"
import type { Log } from "../../../base/log.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import { connectToNode, type AgentChannel } from "../../../channel/dial.ts"
import type { Identity } from "../../../channel/identity.ts"
import type { ChannelLimits } from "../../../channel/limits.ts"
import type { Hello, Request } from "../../../channel/messages.ts"
import type { Action } from "../../actions/action.ts"
import type { Reply } from "./answer.ts"
import type { AppConfig } from "../../../apps/config.ts"
import { formatAddress, type Address } from "../../../apps/discovery/address.ts"
import type { AgentEvent, DeliveryEvent, DeliveryStatus } from "../../delivery/events.ts"
import type { GrantedSecrets } from "../../delivery/granted.ts"
import { serveNode } from "./session.ts"
import type { State } from "../../../state/state.ts"
import { decideTrust } from "../../../apps/trust/trust.ts"

/** One delivery to one node: dial, trust, answer, and write down what came of it. */

export interface NodeDelivery {
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

/** What is known of the node so far. */
interface Progress {
  channel?: AgentChannel
  hello?: Hello
  sent: number
  matched: number
  missing: number
}

/** Never rejects: what went wrong is in the event. */
export async function deliverToNode(options: NodeDelivery, signal: AbortSignal): Promise<DeliveryEvent> {
  const { app, address, onEvent } = options
  const target = formatAddress(address)
  const begun = performance.now()
  const progress: Progress = { sent: 0, matched: 0, missing: 0 }
  onEvent({ type: "start", app: app.name, target })
  let error: PurserError | undefined
  try {
    using limit = new TimeLimit(signal, options.limits.sessionMs)
    await converse(options, target, progress, limit.signal)
  } catch (thrown) {
    error = asPurserError(thrown)
  }
  const { channel, hello, sent, matched, missing } = progress
  const status: DeliveryStatus =
    error === undefined ? "ok" : isPurserError(error, "ERR_UNTRUSTED") ? "refused" : "failed"
  const event: DeliveryEvent = {
    type: "delivery",
    app: app.name,
    target,
    ...(hello === undefined ? {} : { node: hello.node }),
    ...(channel === undefined ? {} : { pin: channel.peerPin }),
    status,
    sent,
    matched,
    missing,
    durationMs: Math.round(performance.now() - begun),
    ...(error === undefined ? {} : { error }),
  }
  await writeDown(event, channel?.group, options)
  return event
}

async function converse(
  options: NodeDelivery,
  target: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { app, address, identity, limits, secrets, actions, actionMs, log } = options
  await using channel = await connectToNode({
    host: address.host,
    port: address.port,
    identity,
    requirePq: app.requirePq,
    limits,
    signal,
    ...(app.trust === "pinned" ? { trust: (pin) => app.pins.includes(pin) } : {}),
  })
  progress.channel = channel
  await serveNode(
    {
      channel,
      limits,
      async trust(hello) {
        progress.hello = hello
        await decideTrust({ ...options, target, channel, hello })
      },
      answers: (hello) => ({
        app: app.name,
        actionGrants: app.actions,
        secrets,
        actions,
        actionMs,
        limits,
        context: { app: app.name, node: { name: hello.node, pin: channel.peerPin, address: target } },
        log,
      }),
      onReply: (request, reply) => noteReply(request, reply, target, options, progress),
    },
    signal,
  )
}

async function noteReply(
  request: Request,
  reply: Reply,
  target: string,
  options: NodeDelivery,
  progress: Progress,
): Promise<void> {
  const { app, audit, onEvent } = options
  const { channel, hello } = progress
  const { secret } = reply
  // A listing of names is told by the line of its session.
  if (reply.status !== "match" && !(reply.status === "sent" && request.action === "list")) {
    const what = {
      app: app.name,
      address: target,
      ...(channel === undefined ? {} : { pin: channel.peerPin }),
      ...(hello === undefined ? {} : { node: hello.node }),
      action: request.action,
      ...(secret === undefined ? {} : { secret }),
    }
    const { status, reason, body } = reply
    if (status === "sent") {
      const content = secret === undefined || body === undefined ? {} : { content: audit.contentTag(body) }
      await audit.append({ kind: "delivered", ...what, ...content })
    } else if (status === "failed") {
      await audit.append({ kind: "failed", ...what, ...(reason === undefined ? {} : { reason }) })
    } else await audit.append({ kind: status, ...what })
  }
  // What an action gives, and the listing of names, are no files.
  if (secret === undefined) return
  if (reply.status === "sent") progress.sent++
  else if (reply.status === "match") progress.matched++
  else progress.missing++
  onEvent({
    type: "file",
    app: app.name,
    target,
    ...(hello === undefined ? {} : { node: hello.node }),
    secret,
    status: reply.status,
  })
}

async function writeDown(
  event: DeliveryEvent,
  group: string | undefined,
  options: NodeDelivery,
): Promise<void> {
  const { app, state, audit } = options
  const { target, pin, node, status, error, sent, matched, missing } = event
  const { name } = app
  try {
    if (node === undefined && isTurnedAway(error)) {
      await audit.append({
        kind: "rejected",
        app: name,
        address: target,
        ...(pin === undefined ? {} : { pin }),
        reason: error.message,
      })
    }
    // Whoever was not trusted later has its line already, and nobody was at an address that cannot be reached.
    if (pin === undefined || node === undefined || group === undefined || status === "refused") return
    state.nodes.record({
      app: name,
      address: target,
      pin,
      name: node,
      state: status,
      error: error?.message ?? null,
    })
    await audit.append({
      kind: "session",
      app: name,
      address: target,
      pin,
      node,
      status,
      group,
      sent,
      matched,
      missing,
      ...(error === undefined ? {} : { error: error.code }),
    })
  } catch {
    // Said already by the log of the audit log.
  }
}

/** Before its hello: by its certificate, or by a first frame that is none. */
function isTurnedAway(error: PurserError | undefined): error is PurserError {
  return isPurserError(error, "ERR_UNTRUSTED") || isPurserError(error, "ERR_PROTOCOL")
}
