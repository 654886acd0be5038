import type { Digest } from "../base/digest.ts"
import type { Frame } from "./frames.ts"

export const protocol = "purser/1"

/** Node to agent, first frame. */
export interface Hello {
  readonly type: "hello"
  readonly protocol: "purser/1"
  readonly app: string
  readonly node: string
  readonly version: string
  /** base64url of 32 bytes; null where the trust mode needs no token. */
  readonly proof: string | null
}

/** Agent to node, when it trusts. */
export interface Welcome {
  readonly type: "welcome"
  readonly version: string
}

/** Agent to node instead of `welcome`; the same for every reason, so that it tells a stranger nothing. */
export interface Refused {
  readonly type: "refused"
}

/** Node to agent. */
export interface Request {
  readonly type: "request"
  readonly id: number
  /** `list`, `file`, or an action's name. */
  readonly action: string
  /** With `file`: the secret's name, as the node wrote it: not checked against the grammar of names. */
  readonly name?: string
  /** With `file`: digest of what the node has. */
  readonly have?: Digest | null
  /** With every other action. */
  readonly parameters?: Readonly<Record<string, unknown>>
}

export type AnswerStatus = "sent" | "match" | "missing" | "denied" | "failed"

/** Agent to node; its body follows in chunk frames. */
export interface SentAnswer {
  readonly type: "answer"
  readonly id: number
  readonly status: "sent"
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
  readonly chunks: number
  readonly message?: string
}

/** Agent to node; no body follows. */
export interface BareAnswer {
  readonly type: "answer"
  readonly id: number
  readonly status: Exclude<AnswerStatus, "sent">
  /** With `match`: what matched. */
  readonly digest?: Digest
  readonly message?: string
}

export type Answer = SentAnswer | BareAnswer

export interface Chunk {
  readonly type: "chunk"
  readonly id: number
  /** From 0. */
  readonly index: number
  /** Standard base64 with padding, of 1 to 32,768 bytes. */
  readonly data: string
}

/** Node to agent, last frame. */
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

// Every parser throws ERR_PROTOCOL and ignores fields that it does not know.

export function parseHello(frame: Frame): Hello {
  throw new Error(`not written yet ${frame.type}`)
}
/** What the node waits for after its hello. */
export function parseReply(frame: Frame): Welcome | Refused {
  throw new Error(`not written yet ${frame.type}`)
}
/** What the agent waits for after its welcome. */
export function parseFromNode(frame: Frame): Request | Done {
  throw new Error(`not written yet ${frame.type}`)
}
export function parseAnswer(frame: Frame): Answer {
  throw new Error(`not written yet ${frame.type}`)
}
export function parseChunk(frame: Frame): Chunk {
  throw new Error(`not written yet ${frame.type}`)
}
/** The body of the answer to `list`. Its names follow the grammar of names. */
export function parseListing(text: string): Listing {
  throw new Error(`not written yet ${text.length}`)
}
