import { PurserError } from "../../base/errors.ts"
import { isAppName, quote } from "../../base/names.ts"
import { tooManyNodes } from "./node-limit.ts"
import type { TrustKind, TrustQuestion, TrustRefusal } from "./kind.ts"
import { trustKindOf } from "./kinds.ts"

/** Decides whether a node belongs to an app, by the app's kind of trust. */

/** Resolves if the node is trusted. Otherwise writes a line to the audit log and throws `ERR_UNTRUSTED`. */
export async function decideTrust(question: TrustQuestion, kinds?: readonly TrustKind[]): Promise<void> {
  const { app, target, hello, channel, audit } = question
  const who = { app: app.name, address: target, pin: channel.peerPin, node: hello.node }
  const kind = trustKindOf(app.trust, kinds)
  const refusal = claims(question) ?? (await kind.decide(question, app.trust))
  if (refusal !== undefined) throw await refused(question, refusal)
  const before = question.state.nodes.pinAt(app.name, target)
  const crowd = takePlace(question)
  if (crowd !== undefined) {
    question.log.warn(`alert: one node too many at ${target}: ${crowd.reason}`)
    await audit.append({ kind: "alert", ...who, reason: "max_nodes" })
    throw await refused(question, crowd)
  }
  if (before !== undefined && before !== channel.peerPin)
    await audit.append({ kind: "trust", ...who, replaces: before })
}

async function refused(
  { app, target, hello, channel, audit }: TrustQuestion,
  { reason, hint }: TrustRefusal,
): Promise<PurserError> {
  await audit.append({
    kind: "rejected",
    app: app.name,
    address: target,
    pin: channel.peerPin,
    node: hello.node,
    reason,
  })
  return new PurserError("ERR_UNTRUSTED", `refused ${target}: ${reason}`, { hint })
}

/** Refuses a node that claims another app than the target's, because it must not choose another app's secrets. */
function claims({ app, hello }: TrustQuestion): TrustRefusal | undefined {
  if (!isAppName(hello.node)) return { reason: `it calls itself ${quote(hello.node)}, which is not a name` }
  if (hello.app === app.name) return undefined
  return {
    reason: `it claims to be of the app ${quote(hello.app)}, not of ${app.name}`,
    hint: `give it the string that \`purser enrol ${app.name}\` prints, or list its address under the other app`,
  }
}

/**
 * Records the node, or refuses it as one too many. A known address counts once, whatever the node's pin, because
 * containers are often replaced. It is synchronous, so that of several concurrent nodes none is admitted between the
 * count and the record.
 */
function takePlace({ app, target, state, channel, hello, aliveMs }: TrustQuestion): TrustRefusal | undefined {
  const reason = tooManyNodes(app, target, { nodes: state.nodes, aliveMs })
  if (reason !== undefined) {
    return {
      reason,
      hint: "raise max_nodes, or remove old nodes with purser nodes forget; if you did not start this node, rotate the token",
    }
  }
  state.nodes.record({
    app: app.name,
    address: target,
    pin: channel.peerPin,
    name: hello.node,
    state: "failed",
    error: "the delivery has not ended",
  })
  return undefined
}
