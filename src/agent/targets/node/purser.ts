import type { AuditLog } from "../../../audit/audit-log.ts"
import type { DialledNode } from "../../../audit/events.ts"
import { asPurserError, isPurserError } from "../../../base/errors.ts"
import { connectToNode } from "../../../channel/dial.ts"
import type { Hello, Request } from "../../../channel/messages.ts"
import { decideTrust } from "../../../apps/trust/decide.ts"
import { trustKindOf } from "../../../apps/trust/kinds.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import type { Reply } from "./answer.ts"
import type { NodeTurn } from "./protocol.ts"
import { serveNode } from "./session.ts"

/** One delivery by `purser/1`: dial, trust, answer, and write down what came of it. */

export async function deliverByPurser(
  delivery: Delivery,
  turn: NodeTurn,
  signal: AbortSignal,
): Promise<void> {
  delivery.start({ target: turn.target })
  const dialled: Dialled = { app: delivery.app.name, address: turn.target }
  try {
    await converse(delivery, turn, dialled, signal)
  } catch (thrown) {
    // A node that was refused after its hello has its line already.
    if (dialled.node === undefined) await recordRejection(dialled, turn.parts.audit, thrown)
    throw thrown
  }
}

/** Filled as the node shows who it is. */
type Dialled = { -readonly [Field in keyof DialledNode]: DialledNode[Field] }

async function converse(
  delivery: Delivery,
  { address, target, parts, plan, aliveMs }: NodeTurn,
  dialled: Dialled,
  signal: AbortSignal,
): Promise<void> {
  const { app, secrets } = delivery
  const { identity, state, audit, log } = parts
  const { limits, actions, actionMs } = plan
  const kind = trustKindOf(app.trust)
  await using channel = await connectToNode({
    host: address.host,
    port: address.port,
    identity,
    requirePq: app.requirePq,
    limits,
    signal,
    trust: (pin) => kind.acceptsPin?.(app.trust, pin) ?? true,
  })
  const { peerPin: pin, group } = channel
  dialled.pin = pin
  delivery.meet({ pin })
  await serveNode(
    {
      channel,
      limits,
      async trust(hello: Hello) {
        const { node } = hello
        dialled.node = node
        delivery.meet({ node })
        delivery.openSession(({ status, ...end }, error) => {
          const who = { app: app.name, address: target, pin }
          state.nodes.record({ ...who, name: node, state: status, error: error?.message ?? null })
          return { kind: "session", ...who, node, status, group, ...end }
        })
        await decideTrust({ app, target, channel, hello, identity, state, audit, log, aliveMs })
      },
      answers: (hello) => ({
        app: app.name,
        actionGrants: app.actions,
        secrets,
        actions,
        actionMs,
        limits,
        context: { app: app.name, node: { name: hello.node, pin, address: target } },
        log,
      }),
      onReply: (request, reply) => recordReply(delivery, dialled, request, reply),
    },
    signal,
  )
}

async function recordReply(
  delivery: Delivery,
  dialled: DialledNode,
  { action }: Request,
  { status, secret, reason, body }: Reply,
): Promise<void> {
  const isSecret = secret !== undefined
  // A listing of names is covered by the line of its session.
  if (status !== "sent" || action !== "list") {
    const request = { ...dialled, action, ...(isSecret ? { secret } : {}) }
    await delivery.record(request, { status, reason, content: isSecret ? body : undefined })
  }
  // Results of actions and listings of names are not files.
  if (isSecret) delivery.tell(secret, status)
}

/** Records a peer that was turned away before its hello: for its certificate, or for a first frame that is not a hello. */
async function recordRejection(dialled: DialledNode, audit: AuditLog, thrown: unknown): Promise<void> {
  const error = asPurserError(thrown)
  if (!isPurserError(error, "ERR_UNTRUSTED") && !isPurserError(error, "ERR_PROTOCOL")) return
  // The audit log logs it when a line cannot be written.
  await audit.append({ kind: "rejected", ...dialled, reason: error.message }).catch(() => {})
}
