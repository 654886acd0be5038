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
 * The node's half of one delivery. The node leads: it proves itself, asks for
 * what it wants, and says `done` when everything is written and reloaded. It
 * knows nothing of files; that is what the steps are for.
 */

/** What a node's steps may do with the agent that dialled. Requests may be made without waiting for earlier answers. */
export interface AgentSession {
  readonly agentPin: string
  /** The agent's version of Purser, as it says. */
  readonly version: string
  /** Aborted when the session ends, for whatever reason. */
  readonly signal: AbortSignal
  /** What the agent grants to this node's app. */
  list(): Promise<Listing>
  /** One secret. `have` is the digest of what is in place: the same content is answered with "match". */
  file(name: string, options?: { have?: Digest | null }): Promise<Fetched>
  /** An action of the agent's. Resolves with its JSON result. Throws `ERR_NOT_GRANTED` or `ERR_ACTION`. */
  ask(action: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>
}

/** What a node does in a session. What it returns goes into the `done` frame. */
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

/** Throws `ERR_REFUSED` when the agent does not take this node, and whatever the steps throw. */
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
      hint: "the agent's log says why: another app, a token that was revoked, a node that waits for approval, or one node too many",
    })
  }
  const session = new NodeSession(channel, limits, reply.version, signal)
  let summary: StepsSummary
  try {
    summary = (await options.steps(session)) ?? { written: 0, unchanged: 0, missing: 0 }
    await session.settled()
  } catch (error) {
    await sayFailed(channel, error)
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

/** The agent should learn why; that it cannot be told any more is no second failure. */
async function sayFailed(channel: NodeChannel, error: unknown): Promise<void> {
  const message = error instanceof PurserError ? error.message : "the node failed"
  const summary =
    error instanceof IncompleteDelivery ? error.summary : { written: 0, unchanged: 0, missing: 0 }
  try {
    await channel.writer.write(done("failed", summary, message.slice(0, 1000)))
  } catch {
    channel.socket.destroy()
  }
}

/** Thrown by steps that did a part of their work and must report the rest as failed. */
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
  /** Answers come in the order of the requests, so reading them is one queue. */
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
      throw new PurserError("ERR_PROTOCOL", `the agent says that ${name} matches what is not here`)
    }
    return { status: answer.status, message: answer.message }
  }

  async ask(action: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const { answer, body } = await this.#request(action, { parameters })
    if (body !== undefined) return parseResult(action, body.revealText())
    const reason = answer.message === undefined ? "" : `: ${answer.message}`
    throw answer.status === "denied" || answer.status === "missing"
      ? new PurserError("ERR_NOT_GRANTED", `the agent does not grant the action ${action}${reason}`, {
          hint: "name it under actions: of this app, in the agent's configuration",
        })
      : new PurserError("ERR_ACTION", `the action ${action} failed at the agent${reason}`)
  }

  /** Resolves once nothing is outstanding, so that `done` cannot overtake a request whose answer nobody waited for. */
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
    // Whoever asked sees the failure; an answer nobody waits for must not end the process.
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
