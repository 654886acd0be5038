import { randomBytes } from "node:crypto"
import { PurserError } from "../../base/errors.ts"
import type { Frame } from "../frames.ts"
import { parseJson } from "../json.ts"
import { eaxOpen, eaxSeal } from "./eax.ts"

/** The encrypted envelope of every message after the key exchange, and the hexadecimal fields of all messages. */

/** The length of nonces and tags. */
const shortBytes = 16

/** Encrypts a message under a fresh nonce. */
export function sealMessage(key: Buffer, message: Frame): Record<"nonce" | "tag" | "ciphertext", string> {
  const nonce = randomBytes(shortBytes)
  const { ciphertext, tag } = eaxSeal(key, nonce, Buffer.from(asciiJson(message)))
  return { nonce: nonce.toString("hex"), tag: tag.toString("hex"), ciphertext: ciphertext.toString("hex") }
}

/**
 * Decrypts a message. Throws `ERR_PROTOCOL`, with the same text for a wrong tag and for damaged fields, so that it is
 * no oracle.
 */
export function unseal(key: Buffer, envelope: Frame): Frame {
  const text = eaxOpen(key, field(envelope, "nonce", shortBytes), {
    tag: field(envelope, "tag", shortBytes),
    ciphertext: field(envelope, "ciphertext"),
  })
  if (text === null) throw damagedMessage()
  const message = parseJson(text, 4, "a message")
  if (typeof message !== "object" || message === null || Array.isArray(message)) throw damagedMessage()
  return message as Frame
}

/** Returns the bytes of a hexadecimal field. Throws `ERR_PROTOCOL`. */
export function field(message: Frame, name: string, lengthBytes?: number): Buffer {
  const text = message[name]
  const bytes = Buffer.from(typeof text === "string" ? text : "", "hex")
  // Buffer.from stops at the first character that is not hexadecimal, so the length is compared.
  if (typeof text !== "string" || bytes.length * 2 !== text.length) throw damagedMessage()
  if (lengthBytes !== undefined && bytes.length !== lengthBytes) throw damagedMessage()
  return bytes
}

export function damagedMessage(): PurserError {
  return new PurserError("ERR_PROTOCOL", "a message was damaged or altered on the way")
}

/** Returns JSON in ASCII, as Python writes it, so that the peer's text encoding does not matter. */
export function asciiJson(message: Frame): string {
  return JSON.stringify(message).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}
