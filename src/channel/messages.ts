import { isDigest, type Digest } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import { isAppName, isSecretName, quote } from "../base/names.ts"
import { isBase64Url32 } from "./base64url.ts"
import type { Frame } from "./frames.ts"
import { parseJson } from "./json.ts"
import { defaultLimits, hardSecretBytes, maxChunkBytes } from "./limits.ts"

export const protocol = "purser/1"

/** The first frame of a session, from node to agent. */
export interface Hello {
  readonly type: "hello"
  readonly protocol: "purser/1"
  readonly app: string
  readonly node: string
  readonly version: string
  /** base64url of 32 bytes; null if the trust mode needs no token. */
  readonly proof: string | null
}

/** The agent's reply to a node that it trusts. */
export interface Welcome {
  readonly type: "welcome"
  readonly version: string
}

/** The agent's reply instead of `welcome`. It is the same for every reason, so that it tells a stranger nothing. */
export interface Refused {
  readonly type: "refused"
}

/** A request from node to agent. */
export interface Request {
  readonly type: "request"
  readonly id: number
  /** `list`, `file`, or an action's name. */
  readonly action: string
  /** With `file`: the secret's name as the node wrote it, not checked against the grammar of names. */
  readonly name?: string
  /** With `file`: the digest of the node's present content. */
  readonly have?: Digest | null
  /** With every action but `list` and `file`. */
  readonly parameters?: Readonly<Record<string, unknown>>
}

export type AnswerStatus = "sent" | "match" | "missing" | "denied" | "failed"

/** An answer from agent to node; its body follows in chunk frames. */
export interface SentAnswer {
  readonly type: "answer"
  readonly id: number
  readonly status: "sent"
  readonly digest: Digest
  /** The body's size in bytes. */
  readonly size: number
  readonly chunks: number
  readonly message?: string
}

/** An answer from agent to node without a body. */
export interface BareAnswer {
  readonly type: "answer"
  readonly id: number
  readonly status: Exclude<AnswerStatus, "sent">
  /** With `match`: the digest that matched. */
  readonly digest?: Digest
  readonly message?: string
}

export type Answer = SentAnswer | BareAnswer

export interface Chunk {
  readonly type: "chunk"
  readonly id: number
  /** Counted from 0. */
  readonly index: number
  /** 1 to 32,768 bytes in standard base64 with padding. */
  readonly data: string
}

/** The last frame of a session, from node to agent. */
export interface Done {
  readonly type: "done"
  readonly status: "ok" | "failed"
  readonly written: number
  readonly unchanged: number
  readonly missing: number
  readonly message?: string
}

/** The body of the answer to `list`. */
export interface Listing {
  readonly secrets: readonly { readonly name: string; readonly size?: number }[]
  readonly actions: readonly string[]
}

/*
 * The parsers below throw ERR_PROTOCOL and return only the fields that they
 * know, so that a newer peer may send more. The names of apps, nodes and actions
 * are checked here. The name of a requested secret is not, because asking for a
 * wrong one is no breach of the protocol, and the agent denies it.
 */

const longestMessage = 1024
const longestName = 1024
const mostCount = 1_000_000

export function parseHello(frame: Frame): Hello {
  const fields = fieldsOf(frame, "hello")
  if (fields.text("protocol") !== protocol) fields.refuse("protocol")
  const app = fields.text("app")
  const node = fields.text("node")
  if (!isAppName(app)) fields.refuse("app")
  if (!isAppName(node)) fields.refuse("node")
  const proof = frame["proof"] === null ? null : fields.text("proof")
  if (proof !== null && !isBase64Url32(proof)) fields.refuse("proof")
  return { type: "hello", protocol, app, node, version: versionOf(fields), proof }
}

/** Parses the reply that a node gets to its hello. */
export function parseReply(frame: Frame): Welcome | Refused {
  if (frame["type"] === "refused") return { type: "refused" }
  return { type: "welcome", version: versionOf(fieldsOf(frame, "welcome")) }
}

/** Parses a frame that an agent gets after its welcome. */
export function parseFromNode(frame: Frame): Request | Done {
  return frame["type"] === "done" ? parseDone(frame) : parseRequest(frame)
}

function parseRequest(frame: Frame): Request {
  const fields = fieldsOf(frame, "request")
  const id = fields.integer("id", 1, Number.MAX_SAFE_INTEGER)
  const action = fields.text("action")
  if (!isActionName(action)) fields.refuse("action")
  const request = { type: "request", id, action } as const
  if (action === "list") return request
  if (action === "file") {
    const have = frame["have"] ?? null
    if (have !== null && !isDigest(have)) return fields.refuse("have")
    return { ...request, name: fields.text("name", longestName), have }
  }
  const parameters = frame["parameters"] ?? {}
  if (!isObject(parameters)) return fields.refuse("parameters")
  return { ...request, parameters }
}

function parseDone(frame: Frame): Done {
  const fields = fieldsOf(frame, "done")
  const status = frame["status"]
  if (status !== "ok" && status !== "failed") return fields.refuse("status")
  return {
    type: "done",
    status,
    written: fields.integer("written", 0, mostCount),
    unchanged: fields.integer("unchanged", 0, mostCount),
    missing: fields.integer("missing", 0, mostCount),
    ...fields.message(),
  }
}

export function parseAnswer(frame: Frame): Answer {
  const fields = fieldsOf(frame, "answer")
  const id = fields.integer("id", 1, Number.MAX_SAFE_INTEGER)
  const status = frame["status"]
  const digest = frame["digest"]
  if (digest !== undefined && !isDigest(digest)) return fields.refuse("digest")
  const answer = { type: "answer", id, ...fields.message() } as const
  switch (status) {
    case "sent": {
      if (digest === undefined) return fields.refuse("digest")
      const size = fields.integer("size", 0, hardSecretBytes)
      // A chunk holds at least one byte and at most maxChunkBytes.
      const chunks = fields.integer("chunks", Math.ceil(size / maxChunkBytes), size)
      return { ...answer, status, digest, size, chunks }
    }
    case "match":
    case "missing":
    case "denied":
    case "failed":
      return { ...answer, status, ...(digest === undefined ? {} : { digest }) }
    default:
      return fields.refuse("status")
  }
}

export function parseChunk(frame: Frame): Chunk {
  const fields = fieldsOf(frame, "chunk")
  return {
    type: "chunk",
    id: fields.integer("id", 1, Number.MAX_SAFE_INTEGER),
    index: fields.integer("index", 0, hardSecretBytes),
    data: fields.text("data", Math.ceil(maxChunkBytes / 3) * 4),
  }
}

/** Parses the body of the answer to `list`. Names must follow their grammar, because the node makes paths of them. */
export function parseListing(text: string): Listing {
  const listing = parseJson(Buffer.from(text, "utf8"), defaultLimits.depth, "the listing")
  if (!isObject(listing)) throw new PurserError("ERR_PROTOCOL", "the listing is not a JSON object")
  const { secrets, actions } = listing
  if (!Array.isArray(secrets) || !Array.isArray(actions)) {
    throw new PurserError("ERR_PROTOCOL", "the listing lacks its secrets or actions")
  }
  return { secrets: secrets.map(listedSecret), actions: actions.map(listedAction) }
}

function listedSecret(entry: unknown): Listing["secrets"][number] {
  const { name, size } = isObject(entry) ? entry : {}
  if (typeof name !== "string" || !isSecretName(name)) {
    throw new PurserError(
      "ERR_PROTOCOL",
      `the listing holds ${describe(name)}, which is not a name for a secret`,
    )
  }
  if (size === undefined) return { name }
  if (isCount(size, 0, hardSecretBytes)) return { name, size }
  throw new PurserError("ERR_PROTOCOL", `the listing gives ${name} an invalid size`)
}

function listedAction(entry: unknown): string {
  if (typeof entry === "string" && isActionName(entry)) return entry
  throw new PurserError(
    "ERR_PROTOCOL",
    `the listing holds ${describe(entry)}, which is not a name for an action`,
  )
}

/** Returns whether a text is the name of an action: `list`, `file`, `certificate`, `sign-csr`, `signCsr`. */
export function isActionName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)
}

function versionOf(fields: Fields): string {
  const version = fields.text("version", 64)
  return /^[\x21-\x7e]+$/.test(version) ? version : fields.refuse("version")
}

interface Fields {
  text(name: string, longest?: number): string
  integer(name: string, least: number, most: number): number
  message(): { message?: string }
  refuse(name: string): never
}

function fieldsOf(frame: Frame, type: string): Fields {
  if (frame["type"] !== type) {
    throw new PurserError("ERR_PROTOCOL", `the peer sent ${describe(frame["type"])} instead of ${type}`)
  }
  const refuse = (name: string): never => {
    throw new PurserError("ERR_PROTOCOL", `the peer's ${type} has an invalid ${name}`)
  }
  return {
    refuse,
    text(name, longest = 255) {
      const value = frame[name]
      return typeof value === "string" && value.length <= longest ? value : refuse(name)
    },
    integer(name, least, most) {
      const value = frame[name]
      return isCount(value, least, most) ? value : refuse(name)
    },
    message() {
      return frame["message"] === undefined ? {} : { message: this.text("message", longestMessage) }
    },
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isCount(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most
}

function describe(value: unknown): string {
  return typeof value === "string" ? quote(value) : value === undefined ? "nothing" : `a ${typeof value}`
}
