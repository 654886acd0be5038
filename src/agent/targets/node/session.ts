import { PurserError } from "../../../base/errors.ts"
import { version } from "../../../base/version.ts"
import { writeBody } from "../../../channel/body.ts"
import type { AgentChannel } from "../../../channel/dial.ts"
import type { ChannelLimits } from "../../../channel/limits.ts"
import { parseFromNode, parseHello, type Done, type Hello, type Request } from "../../../channel/messages.ts"
import { answerRequest, type AnswerOptions, type Reply } from "./answer.ts"

/**
 * The agent's half of one delivery. The node leads; the agent says nothing
 * before it trusts, and answers what is asked, in order. It never sends a byte
 * of a secret that is not in the audit log.
 */

export interface AgentSessionOptions {
  channel: AgentChannel
  limits: ChannelLimits
  /** Decides from the node's first frame. Resolves when the node is trusted, throws `ERR_UNTRUSTED` when it is not. */
  trust: (hello: Hello) => Promise<void>
  answers: (hello: Hello) => AnswerOptions
  /** Called for every decision before the node learns of it. */
  onReply: (request: Request, reply: Reply) => Promise<void>
}

/** Resolves with the node's summary. Throws `ERR_UNTRUSTED`, `ERR_DELIVERY` (the node says it failed), and the channel's errors. */
export async function serveNode(options: AgentSessionOptions, signal: AbortSignal): Promise<void> {
  const { channel, limits } = options
  const { reader, writer } = channel
  const hello = parseHello(await reader.next({ signal, timeoutMs: limits.frameMs }))
  try {
    await options.trust(hello)
  } catch (error) {
    // A stranger that hangs up before it is told is not a second failure.
    await writer.write({ type: "refused" }, { signal }).catch(() => {})
    throw error
  }
  await writer.write({ type: "welcome", version }, { signal })
  const answers = options.answers(hello)
  for (let count = 0; ; count++) {
    const frame = parseFromNode(await reader.next({ signal, timeoutMs: limits.sessionMs }))
    if (frame.type === "done") return conclude(frame)
    if (count >= limits.requests)
      throw new PurserError("ERR_LIMIT", `the node made more than ${limits.requests} requests`)
    const reply = await answerRequest(frame, answers, signal)
    await options.onReply(frame, reply)
    await sendReply(channel, frame.id, reply, signal)
  }
}

async function sendReply(
  channel: AgentChannel,
  id: number,
  reply: Reply,
  signal: AbortSignal,
): Promise<void> {
  const { status, body, digest, message } = reply
  if (body !== undefined) return await writeBody(channel.writer, id, body, { signal })
  const facts = {
    ...(digest === undefined ? {} : { digest }),
    ...(message === undefined ? {} : { message: message.slice(0, 1000) }),
  }
  await channel.writer.write({ type: "answer", id, status, ...facts }, { signal })
}

/** The node says how it went; what it says is its own, and is escaped before anybody sees it. */
function conclude({ status, message, missing }: Done): void {
  if (status === "ok") return
  throw new PurserError(
    "ERR_DELIVERY",
    `the node says that it failed: ${message ?? `${missing} files are missing`}`,
    {
      hint: "its own log says more",
    },
  )
}
