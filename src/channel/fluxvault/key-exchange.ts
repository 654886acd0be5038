import {
  constants,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type KeyObject,
} from "node:crypto"
import { PurserError } from "../../base/errors.ts"
import type { Frame } from "../frames.ts"
import { eaxOpen, eaxSeal } from "./eax.ts"
import { damagedMessage, field } from "./envelope.ts"

/**
 * The key exchange of FluxVault's protocol. It authenticates neither end: an
 * attacker between them can replace the node's key by its own unnoticed.
 */

const padding = constants.RSA_PKCS1_OAEP_PADDING
const oaepHash = "sha1"
const rsaBits = 2048

/**
 * The agent's half: returns a fresh session key and the message that carries it to the node. Throws `ERR_PROTOCOL` for
 * an unusable public key.
 */
export function answerKey(keySent: Frame): { sessionKey: Buffer; message: Frame } {
  const publicKey = publicKeyOf(keySent)
  const wrapping = randomBytes(16)
  const wrapped = encrypt(publicKey, wrapping)
  const nonce = randomBytes(16)
  // The 32 hexadecimal characters themselves are the AES-256 key, although they hold only 128 bits.
  const sessionKey = Buffer.from(randomBytes(16).toString("hex"))
  const { ciphertext, tag } = eaxSeal(wrapping, nonce, sessionKey)
  const hex = (bytes: Buffer): string => bytes.toString("hex")
  return {
    sessionKey,
    message: {
      enc_session_key: hex(wrapped),
      State: "AESKEY",
      cipher: hex(ciphertext),
      tag: hex(tag),
      nonce: hex(nonce),
    },
  }
}

/**
 * The node's half: returns the session key that the agent chose. Throws `ERR_PROTOCOL`, with the same text for every
 * fault, so that it is no oracle.
 */
export function takeSessionKey(privateKey: KeyObject, message: Frame): Buffer {
  if (message["State"] !== "AESKEY") throw damagedMessage()
  const sealed = { ciphertext: field(message, "cipher"), tag: field(message, "tag", 16) }
  const nonce = field(message, "nonce", 16)
  const wrapping = decrypt(privateKey, field(message, "enc_session_key"))
  const sessionKey = wrapping?.length === 16 ? eaxOpen(wrapping, nonce, sealed) : null
  if (sessionKey === null || !/^[0-9a-fA-F]{32}$/.test(sessionKey.toString("latin1"))) throw damagedMessage()
  return sessionKey
}

function publicKeyOf({ State: state, PublicKey: pem }: Frame): KeyObject {
  if (state !== "KEYSENT" || typeof pem !== "string" || !pem.startsWith("-----BEGIN PUBLIC KEY-----"))
    throw refused()
  try {
    const key = createPublicKey(pem)
    const { modulusLength, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
    // An exponent of 0 or 1 would not encrypt at all.
    const isSound = modulusLength === rsaBits && publicExponent >= 3n && publicExponent % 2n === 1n
    if (key.asymmetricKeyType === "rsa" && isSound) return key
  } catch (error) {
    throw refused(error)
  }
  throw refused()
}

function refused(cause?: unknown): PurserError {
  return new PurserError("ERR_PROTOCOL", "the server is not a FluxVault node", {
    hint: "check that a node with FluxVault's protocol listens at this address and port",
    cause,
  })
}

/** Encrypts for the node. Throws `ERR_PROTOCOL` for an invalid modulus, which OpenSSL checks only here. */
function encrypt(key: KeyObject, bytes: Buffer): Buffer {
  try {
    return publicEncrypt({ key, padding, oaepHash }, bytes)
  } catch (error) {
    throw refused(error)
  }
}

function decrypt(key: KeyObject, bytes: Buffer): Buffer | undefined {
  try {
    return privateDecrypt({ key, padding, oaepHash }, bytes)
  } catch {
    return undefined
  }
}
