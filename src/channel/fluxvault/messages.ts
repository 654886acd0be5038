import { randomBytes } from "node:crypto"
import { PurserError } from "../../base/errors.ts"
import type { Frame } from "../frames.ts"
import { asciiJson } from "./envelope.ts"

/** The messages that are sent under the session key. */

/**
 * The largest message of a node: the original agent reads with one `recv(8192)`, so a message must also arrive in one
 * piece. Before a session begins, both of our ends accept no longer message either.
 */
export const segmentBytes = 8192

/** The longest file name, in characters. Limited like a secret's name, because it goes into logs and displays. */
const nameLength = 255
/**
 * The longest `{"name":…}` in ASCII JSON. A request then has at most 1,200 bytes, which fit into one segment of any
 * common network.
 */
const escapedLength = 450

export type Status = "Success" | "Match" | "FileNotFound"

/** A node's request for a file. */
export interface FileRequest {
  /** The name as the node writes it. It looks like a path, but may not be used as one here. */
  readonly name: string
  /** CRC-32 of the text that the node has; 0 if it has no such file. */
  readonly crc32: number
  readonly fill: string | undefined
}

/** The agent's answer to a request. */
export interface FileAnswer {
  readonly status: Status
  /** Empty unless `status` is `Success`. */
  readonly body: string
}

/**
 * Returns the longest answer with a secret of this size, in bytes: JSON needs up to six characters a byte, and
 * hexadecimal doubles them.
 */
export function answerBytes(secretBytes: number): number {
  return 12 * secretBytes + 2 * segmentBytes
}

/** Returns whether a file of this name can be requested from the original agent and from ours. */
export function isAskable(name: string): boolean {
  return name.length <= nameLength && asciiJson({ name }).length <= escapedLength
}

/** Returns random text for the field `fill`, so that equal messages differ in more than their nonces. */
export function randomFill(): string {
  return randomBytes(16).toString("hex")
}

/** Parses a node's message. Returns null for DONE. Throws `ERR_PROTOCOL`. */
export function parseFluxvaultRequest(message: Frame): FileRequest | null {
  const { State: state, FILE: name, crc32, fill: filling } = message
  if (state === "DONE") return null
  if (state !== "REQUEST") throw protocolError("the node's message is not a request for a file")
  if (typeof name !== "string" || name === "") throw protocolError("the node asks for a file without a name")
  if (name.length > nameLength)
    throw protocolError(`the node asks for a file with a name of more than ${nameLength} characters`)
  if (typeof crc32 !== "number" || !Number.isInteger(crc32) || crc32 < 0 || crc32 > 0xffff_ffff)
    throw protocolError("the node's checksum is not a CRC32")
  return { name, crc32, fill: typeof filling === "string" ? filling : undefined }
}

/** Parses an agent's answer. Throws `ERR_PROTOCOL`, also for an answer to another request. */
export function parseFluxvaultAnswer(message: Frame, requested: string): FileAnswer {
  const { State: state, FILE: name, Status: status, Body: body = "" } = message
  if (state === "DATA" && name === requested) {
    if (status === "Match" || status === "FileNotFound") return { status, body: "" }
    if (status === "Success" && typeof body === "string" && body.isWellFormed()) return { status, body }
  }
  throw protocolError("the agent's message does not answer the request")
}

export function protocolError(message: string): PurserError {
  return new PurserError("ERR_PROTOCOL", message)
}
