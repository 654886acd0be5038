import { isUtf8 } from "node:buffer"
import type { AuditedFluxvaultNode } from "../../../audit/events.ts"
import { tooManyNodes } from "../../../apps/trust/node-limit.ts"
import { PurserError, asPurserError, isPurserError } from "../../../base/errors.ts"
import { errorFields } from "../../../base/log.ts"
import type { Secret } from "../../../base/secret.ts"
import { crc32 } from "../../../channel/fluxvault/crc32.ts"
import { connectToFluxvaultNode } from "../../../channel/fluxvault/dial.ts"
import type { FileAnswer, FileRequest } from "../../../channel/fluxvault/messages.ts"
import type { NodeSighting } from "../../../state/nodes.ts"
import type { Delivery } from "../../delivery/delivery.ts"
import type { FileStatus } from "../../delivery/events.ts"
import type { NodeTurn } from "./protocol.ts"

/**
 * One delivery to a node of FluxVault's own. The peer at the address proves
 * nothing, so only the app's grants protect a secret, and every secret is in the
 * audit log before it is sent.
 */

/** The name of the protocol in the audit log, and of its nameless nodes in `purser nodes`. */
const protocol = "fluxvault"

export async function deliverByFluxvault(
  delivery: Delivery,
  turn: NodeTurn,
  signal: AbortSignal,
): Promise<void> {
  const { address, target, plan, parts } = turn
  const { state, audit } = parts
  const who: AuditedFluxvaultNode = { app: delivery.app.name, address: target, protocol }
  delivery.start({ target })
  await using channel = await connectToFluxvaultNode({ ...address, limits: plan.limits, signal }).catch(
    async (error) => {
      if (isPurserError(error, "ERR_PROTOCOL"))
        await audit.append({ kind: "rejected", ...who, reason: error.message })
      throw error
    },
  )
  await takePlace(delivery, who, turn)
  delivery.openSession((end, error) => {
    state.nodes.record(seen(who, end.status, error?.message ?? null))
    return { kind: "session", ...who, ...end }
  })
  for (;;) {
    const request = await channel.next(signal)
    if (request === null) break
    await channel.answer(request, await decide(request, who, delivery, turn, signal), signal)
  }
}

/** The node at a known address counts once. Whether there is place, and taking it, is one step: others may come at once. */
async function takePlace(
  { app }: Delivery,
  who: AuditedFluxvaultNode,
  { parts: { state, audit, log }, aliveMs }: NodeTurn,
): Promise<void> {
  const { address } = who
  const reason = tooManyNodes(app, address, { nodes: state.nodes, aliveMs })
  if (reason === undefined) return state.nodes.record(seen(who, "failed", "the delivery has not ended"))
  log.warn(`alert: one node too many at ${address}: ${reason}`)
  await audit.append({ kind: "alert", ...who, reason: "max_nodes" })
  await audit.append({ kind: "rejected", ...who, reason })
  throw new PurserError("ERR_UNTRUSTED", `refused ${address}: ${reason}`, {
    hint: "raise max_nodes, or forget nodes that are gone with purser nodes forget",
  })
}

function seen(
  { app, address }: AuditedFluxvaultNode,
  state: NodeSighting["state"],
  error: string | null,
): NodeSighting {
  return { app, address, pin: "", name: protocol, state, error }
}

/** Resolves once the decision is in the audit log. */
async function decide(
  request: FileRequest,
  who: AuditedFluxvaultNode,
  delivery: Delivery,
  turn: NodeTurn,
  signal: AbortSignal,
): Promise<FileAnswer> {
  // The name is only looked up; it never becomes a path.
  const secret = delivery.app.aliases.find(({ as }) => as === request.name)?.secret ?? request.name
  const { status, content, reason } = await look(secret, request, delivery, turn, signal)
  const as = secret === request.name ? {} : { as: request.name }
  const asked = { ...who, action: "file", secret, ...as } as const
  await delivery.record(asked, { status, reason, content })
  delivery.tell(secret, status)
  if (status === "sent") return { status: "Success", body: content?.revealText() ?? "" }
  // The protocol has no other status for a file that the node does not get.
  return { status: status === "match" ? "Match" : "FileNotFound", body: "" }
}

interface Found {
  status: FileStatus
  content?: Secret
  /** The reason why it is not sent although there is one. */
  reason?: string
}

async function look(
  name: string,
  request: FileRequest,
  { app, secrets }: Delivery,
  { plan: { limits }, parts: { log } }: NodeTurn,
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
