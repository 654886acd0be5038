import { randomBytes } from "node:crypto"
import { PurserError } from "../../base/errors.ts"
import type { Frame } from "../frames.ts"
import { asciiJson } from "./envelope.ts"

/** What is said under the session key. */

/**
 * The original agent reads with one `recv(8192)`: what a node sends it must be no longer, and arrive in one piece.
 * Before there is a session, neither of our ends takes more.
 */
export const segmentBytes = 8192

/** Of a file's name, as of those of secrets: it goes into the log, the audit log and the display. */
const nameLength = 255
/** With its escapes. A request for it then has 1,200 bytes at most, and so arrives in one segment over any network there is. */
const escapedLength = 450

export type Status = "Success" | "Match" | "FileNotFound"

/** A node asks for a file. */
export interface FileRequest {
  /** As the node writes it: a path below the two directories of the original, and nothing here may take it for one. */
  readonly name: string
  /** Of the text that the node has; 0 when it has no such file. */
  readonly crc32: number
  readonly fill: string | undefined
}

/** What the agent says to it. */
export interface FileAnswer {
  readonly status: Status
  /** Empty unless `status` is `Success`. */
  readonly body: string
}

/** The longest answer that holds a secret of this size: JSON writes a byte in six characters at most, hexadecimal doubles them. */
export function answerBytes(secretBytes: number): number {
  return 12 * secretBytes + 2 * segmentBytes
}

/** Whether the original agent can be asked for a file of this name, and ours would answer. */
export function isAskable(name: string): boolean {
  return name.length <= nameLength && asciiJson({ name }).length <= escapedLength
}

/** Random text that makes two messages of the same content differ in more than their nonces. */
export function fill(): string {
  return randomBytes(16).toString("hex")
}

/** Null when the node is done. Throws `ERR_PROTOCOL`. */
export function parseFluxvaultRequest(message: Frame): FileRequest | null {
  const { State: state, FILE: name, crc32, fill: filling } = message
  if (state === "DONE") return null
  if (state !== "REQUEST") throw broken("the node asks for something else than a file")
  if (typeof name !== "string" || name === "") throw broken("the node asks for a file without a name")
  if (name.length > nameLength)
    throw broken(`the node asks for a file with a name of more than ${nameLength} characters`)
  if (typeof crc32 !== "number" || !Number.isInteger(crc32) || crc32 < 0 || crc32 > 0xffff_ffff)
    throw broken("the node's checksum is no CRC32")
  return { name, crc32, fill: typeof filling === "string" ? filling : undefined }
}

/** Throws `ERR_PROTOCOL`, also for the answer to another request. */
export function parseFluxvaultAnswer(message: Frame, requested: string): FileAnswer {
  const { State: state, FILE: name, Status: status, Body: body = "" } = message
  if (state === "DATA" && name === requested) {
    if (status === "Match" || status === "FileNotFound") return { status, body: "" }
    if (status === "Success" && typeof body === "string" && body.isWellFormed()) return { status, body }
  }
  throw broken("the agent sent no answer to what was asked")
}

export function broken(message: string): PurserError {
  return new PurserError("ERR_PROTOCOL", message)
}
