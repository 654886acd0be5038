import { sameText, type Digest } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import type { Fetched } from "../rollout/deliver-files.ts"
import { readBody } from "../channel/body.ts"
import type { Enrolment } from "../channel/enrolment.ts"
import type { ChannelLimits } from "../channel/limits.ts"
import type { NodeChannel } from "../channel/listen.ts"
import {
  parseAnswer,
  parseListing,
  parseReply,
  protocol,
  type Answer,
  type Done,
  type Hello,
  type Listing,
} from "../channel/messages.ts"
import { proofOf } from "../channel/proof.ts"
/**
 * The node's half of one session. The node sends the requests: it authenticates,
 * runs its steps, and sends `done` when they have finished. The session does not
 * write files; the steps do.
 */

/** The agent that dialled, as a node's steps see it. Requests may be sent before earlier answers have arrived. */
export interface AgentSession {
  readonly agentPin: string
  /** The version of Purser that the agent claims. */
  readonly version: string
  /** Aborted when the session ends. */
  readonly signal: AbortSignal
  /** Resolves with the secrets and actions that the agent grants to this node's app. Throws `ERR_ACTION`. */
  list(): Promise<Listing>
  /** Asks for one secret. `have` is the digest of the file in place; the answer for the same content is "match". */
  file(name: string, options?: { have?: Digest | null }): Promise<Fetched>
  /** Asks for an action of the agent. Resolves with its JSON result. Throws `ERR_NOT_GRANTED` or `ERR_ACTION`. */
  ask(action: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>
}

/** The node's work in a session. The summary goes into the `done` frame. */
export type Steps = (agent: AgentSession) => Promise<StepsSummary | void>

export interface StepsSummary {
  readonly written: number
  readonly unchanged: number
  readonly missing: number
}

export interface NodeSessionOptions {
  enrolment: Enrolment
  /** SHA-256 of this node's SPKI. */
  spkiSha256: Buffer
  name: string
  version: string
  limits: ChannelLimits
  steps: Steps
}

/** Runs the steps in one session. Throws `ERR_REFUSED` when the agent refuses this node, `ERR_PROTOCOL`, and what the steps throw. */
export async function runSession(
  channel: NodeChannel,
  options: NodeSessionOptions,
  signal: AbortSignal,
): Promise<void> {
  const { reader, writer } = channel
  const { limits } = options
  await writer.write(helloOf(channel, options))
  const reply = parseReply(await reader.next({ signal, timeoutMs: limits.frameMs }))
  if (reply.type === "refused") {
    throw new PurserError("ERR_REFUSED", "the agent refused this node", {
      hint: "the agent's log says why: another app, a revoked token, a node that waits for approval, or too many nodes",
    })
  }
  const session = new NodeSession(channel, limits, reply.version, signal)
  let summary: StepsSummary
  try {
    summary = (await options.steps(session)) ?? { written: 0, unchanged: 0, missing: 0 }
    await session.settled()
  } catch (error) {
    await reportFailure(channel, error)
    throw error
  }
  await writer.write(done("ok", summary))
}

function helloOf(channel: NodeChannel, { enrolment, spkiSha256, name, version }: NodeSessionOptions): Hello {
  const proof =
    enrolment.token === undefined
      ? null
      : proofOf({
          token: enrolment.token,
          exporter: channel.exporter,
          nodeSpkiSha256: spkiSha256,
          agentSpkiSha256: channel.agentSpkiSha256,
          app: enrolment.app,
        }).toString("base64url")
  return { type: "hello", protocol, app: enrolment.app, node: name, version, proof }
}

function done(status: "ok" | "failed", summary: StepsSummary, message?: string): Done {
  return { type: "done", status, ...summary, ...(message === undefined ? {} : { message }) }
}

/** Sends `done` with the error to the agent. Ignores a failure to send it. */
async function reportFailure(channel: NodeChannel, error: unknown): Promise<void> {
  const message = error instanceof PurserError ? error.message : "the node failed"
  const summary =
    error instanceof IncompleteDelivery ? error.summary : { written: 0, unchanged: 0, missing: 0 }
  try {
    await channel.writer.write(done("failed", summary, message.slice(0, 1000)))
  } catch {
    channel.socket.destroy()
  }
}

/** Thrown by steps that delivered only some of their files. Code `ERR_DELIVERY`. */
export class IncompleteDelivery extends PurserError {
  readonly summary: StepsSummary

  constructor(message: string, summary: StepsSummary, hint?: string) {
    super("ERR_DELIVERY", message, { hint })
    this.summary = summary
  }
}

class NodeSession implements AgentSession {
  readonly agentPin: string
  readonly version: string
  readonly signal: AbortSignal
  readonly #channel: NodeChannel
  readonly #limits: ChannelLimits
  #lastId = 0
  /** Resolves when every answer so far has been read. Answers arrive in the order of the requests. */
  #answers: Promise<unknown> = Promise.resolve()

  constructor(channel: NodeChannel, limits: ChannelLimits, version: string, signal: AbortSignal) {
    this.#channel = channel
    this.#limits = limits
    this.agentPin = channel.agentPin
    this.version = version
    this.signal = signal
  }

  async list(): Promise<Listing> {
    const { answer, body } = await this.#request("list", {})
    if (answer.status === "failed")
      throw new PurserError("ERR_ACTION", "the agent could not list what it grants", {
        hint: "its log says which source failed",
      })
    if (body === undefined) throw new PurserError("ERR_PROTOCOL", "the agent answered list without a body")
    return parseListing(body.revealText())
  }

  async file(name: string, { have = null }: { have?: Digest | null } = {}): Promise<Fetched> {
    const { answer, body } = await this.#request("file", { name, have })
    if (answer.status === "sent" && body !== undefined) return { status: "sent", content: body }
    if (answer.status === "sent")
      throw new PurserError("ERR_PROTOCOL", `the agent sent ${name} without a body`)
    if (answer.status === "match" && !(have !== null && sameText(answer.digest ?? "", have))) {
      throw new PurserError("ERR_PROTOCOL", `the agent says that ${name} matches another digest`)
    }
    return { status: answer.status, message: answer.message }
  }

  async ask(action: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const { answer, body } = await this.#request(action, { parameters })
    if (body !== undefined) return parseResult(action, body.revealText())
    const reason = answer.message === undefined ? "" : `: ${answer.message}`
    throw answer.status === "denied" || answer.status === "missing"
      ? new PurserError("ERR_NOT_GRANTED", `the agent does not grant the action ${action}${reason}`, {
          hint: "add it to actions: of this app in the agent's configuration",
        })
      : new PurserError("ERR_ACTION", `the action ${action} failed at the agent${reason}`)
  }

  /** Resolves once every answer has arrived, so that `done` cannot overtake a request that the steps did not await. */
  async settled(): Promise<void> {
    await this.#answers
  }

  async #request(
    action: string,
    fields: Record<string, unknown>,
  ): Promise<{ answer: Answer; body?: Secret }> {
    const id = ++this.#lastId
    if (id > this.#limits.requests) {
      throw new PurserError("ERR_LIMIT", `more than ${this.#limits.requests} requests in one session`)
    }
    const written = this.#channel.writer.write({ type: "request", id, action, ...fields })
    const answered = Promise.all([this.#answers, written]).then(() => this.#readAnswer(id))
    this.#answers = answered
    // The caller gets the rejection too; an answer that the caller does not await must not end the process.
    answered.catch(() => {})
    return await answered
  }

  async #readAnswer(id: number): Promise<{ answer: Answer; body?: Secret }> {
    const { reader } = this.#channel
    const wait = { signal: this.signal, timeoutMs: this.#limits.frameMs }
    const answer = parseAnswer(await reader.next(wait))
    if (answer.id !== id)
      throw new PurserError("ERR_PROTOCOL", `the agent answered request ${answer.id} instead of ${id}`)
    if (answer.status !== "sent") return { answer }
    return { answer, body: await readBody(reader, answer, this.#limits, wait) }
  }
}

function parseResult(action: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PurserError("ERR_PROTOCOL", `the agent's result of ${action} is not JSON`, { cause: error })
  }
}
