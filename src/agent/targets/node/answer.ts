import { untilAborted } from "../../../base/abort.ts"
import { sameText } from "../../../base/digest.ts"
import { PurserError, isPurserError, reasonOf } from "../../../base/errors.ts"
import type { Log } from "../../../base/log.ts"
import { quote } from "../../../base/names.ts"
import { Secret } from "../../../base/secret.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import type { ChannelLimits } from "../../../channel/limits.ts"
import type { Listing, Request } from "../../../channel/messages.ts"
import type { Action, ActionContext } from "../../actions/action.ts"
import type { FileStatus } from "../../delivery/events.ts"
import type { GrantedSecrets } from "../../delivery/granted.ts"

/** The agent's answer to one request: a status, and a body if something is sent. */
export interface Reply {
  readonly status: FileStatus
  readonly body?: Secret
  /** The digest of what matched. */
  readonly digest?: string
  readonly message?: string
  /** For the audit log: why an action refused. */
  readonly reason?: string
  /** The secret that was asked for, when its name is one. */
  readonly secret?: string
}

export interface AnswerOptions {
  app: string
  /** Names of the custom actions that the app may ask for. */
  actionGrants: readonly string[]
  secrets: GrantedSecrets
  actions: Readonly<Record<string, Action>>
  /** Time limit of an action, in milliseconds. */
  actionMs: number
  limits: ChannelLimits
  context: Omit<ActionContext, "signal" | "secret">
  log: Log
}

/** Decides one request. Never rejects: whatever goes wrong is an answer. */
export async function answerRequest(
  request: Request,
  options: AnswerOptions,
  signal: AbortSignal,
): Promise<Reply> {
  const { log, app, context } = options
  try {
    if (request.action === "file") return await answerFile(request, options, signal)
    if (request.action === "list") return await answerList(options, signal)
    return await answerAction(request, options, signal)
  } catch (error) {
    const secret =
      request.action === "file" && typeof request.name === "string" ? { secret: request.name } : {}
    if (isPurserError(error, "ERR_NOT_GRANTED")) {
      log.warn(error.message, {
        node: context.node.address,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      })
      return { status: "denied", ...secret }
    }
    log.error(`${request.action} for ${app} failed: ${reasonOf(error)}`, { node: context.node.address })
    // A node is told the cause only by an action that throws a PurserError; failures of sources stay here.
    const message =
      request.action !== "file" && error instanceof PurserError ? error.message : "failed at the agent"
    const reason = request.action !== "file" && error instanceof PurserError ? { reason: message } : {}
    return { status: "failed", message, ...reason, ...secret }
  }
}

async function answerFile(
  request: Request,
  { secrets, limits }: AnswerOptions,
  signal: AbortSignal,
): Promise<Reply> {
  const name = request.name ?? ""
  const content = await secrets.read(name, signal)
  if (content === null) return { status: "missing", secret: name }
  if (content.sizeBytes > limits.secretBytes) {
    throw new PurserError(
      "ERR_SECRET_TOO_LARGE",
      `${name} has ${content.sizeBytes} bytes, the limit is ${limits.secretBytes}`,
      {
        hint: "raise limits.secret_bytes at both ends, up to 16 MiB",
      },
    )
  }
  const { have } = request
  if (typeof have === "string" && sameText(have, content.digest)) {
    return { status: "match", digest: content.digest, secret: name }
  }
  return { status: "sent", body: content, secret: name }
}

async function answerList({ secrets, actionGrants }: AnswerOptions, signal: AbortSignal): Promise<Reply> {
  const names = await secrets.names(signal)
  const listing: Listing = { secrets: names.map((name) => ({ name })), actions: [...actionGrants] }
  return { status: "sent", body: new Secret(JSON.stringify(listing)) }
}

async function answerAction(request: Request, options: AnswerOptions, signal: AbortSignal): Promise<Reply> {
  const { app, actions, actionGrants, actionMs, secrets, context, limits } = options
  const action = actionGrants.includes(request.action) ? own(actions, request.action) : undefined
  if (action === undefined) {
    throw new PurserError("ERR_NOT_GRANTED", `the action ${quote(request.action)} is not granted to ${app}`, {
      hint: `add it to the actions of ${app}, if it should have it`,
    })
  }
  using limit = new TimeLimit(signal, actionMs)
  const limited = limit.signal
  const work = action(request.parameters ?? {}, {
    ...context,
    signal: limited,
    secret: (name) => secrets.read(name, limited),
  })
  const text = JSON.stringify((await beforeAbort(work, limited, request.action, actionMs)) ?? null)
  const body = new Secret(text)
  if (body.sizeBytes > limits.secretBytes) {
    throw new PurserError(
      "ERR_LIMIT",
      `the result of ${request.action} has ${body.sizeBytes} bytes, the limit is ${limits.secretBytes}`,
    )
  }
  return { status: "sent", body }
}

/** An action that does not listen to its signal must not hold the session. */
async function beforeAbort<T>(
  work: Promise<T>,
  signal: AbortSignal,
  name: string,
  limitMs: number,
): Promise<T> {
  try {
    return await untilAborted(work, signal)
  } catch (error) {
    // An action that was told to stop may put it in any way.
    throw signal.aborted
      ? new PurserError("ERR_TIMEOUT", `the action ${name} took longer than ${limitMs} ms`)
      : error
  }
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
