import { randomBytes } from "node:crypto"
import { PurserError } from "../../base/errors.ts"
import type { Frame } from "../frames.ts"
import { parseJson } from "../json.ts"
import { eaxOpen, eaxSeal } from "./eax.ts"

/** What every message after the key exchange is wrapped in, and the hexadecimal fields of all of them. */

/** Of nonces and tags. */
const shortBytes = 16

/** Under a fresh nonce. */
export function sealMessage(key: Buffer, message: Frame): Record<"nonce" | "tag" | "ciphertext", string> {
  const nonce = randomBytes(shortBytes)
  const { ciphertext, tag } = eaxSeal(key, nonce, Buffer.from(asciiJson(message)))
  return { nonce: nonce.toString("hex"), tag: tag.toString("hex"), ciphertext: ciphertext.toString("hex") }
}

/** Throws `ERR_PROTOCOL`, in the same words for whatever is wrong with it. */
export function unseal(key: Buffer, envelope: Frame): Frame {
  const text = eaxOpen(key, field(envelope, "nonce", shortBytes), {
    tag: field(envelope, "tag", shortBytes),
    ciphertext: field(envelope, "ciphertext"),
  })
  if (text === null) throw damaged()
  const message = parseJson(text, 4, "a message")
  if (typeof message !== "object" || message === null || Array.isArray(message)) throw damaged()
  return message as Frame
}

/** The bytes of a hexadecimal field. Throws `ERR_PROTOCOL`. */
export function field(message: Frame, name: string, lengthBytes?: number): Buffer {
  const text = message[name]
  const bytes = Buffer.from(typeof text === "string" ? text : "", "hex")
  // Reading stops at the first character that is none.
  if (typeof text !== "string" || bytes.length * 2 !== text.length) throw damaged()
  if (lengthBytes !== undefined && bytes.length !== lengthBytes) throw damaged()
  return bytes
}

export function damaged(): PurserError {
  return new PurserError("ERR_PROTOCOL", "a message was damaged or altered on the way")
}

/** JSON in ASCII, as Python writes it, whatever the other end takes text for. */
export function asciiJson(message: Frame): string {
  return JSON.stringify(message).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}
