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
import { damaged, field } from "./envelope.ts"

/**
 * How both ends come to a session key. Neither learns who the other one is:
 * whoever stands between them can put a key of its own in the place of the
 * node's, and this end cannot tell.
 */

const padding = constants.RSA_PKCS1_OAEP_PADDING
const oaepHash = "sha1"
const rsaBits = 2048

/** The agent's half: a fresh session key, and the message that brings it to the node. Throws `ERR_PROTOCOL` for what is no key. */
export function answerKey(keySent: Frame): { sessionKey: Buffer; message: Frame } {
  const publicKey = publicKeyOf(keySent)
  const wrapping = randomBytes(16)
  const wrapped = encrypt(publicKey, wrapping)
  const nonce = randomBytes(16)
  // The characters are the key: 32 of them for AES-256, though they hold 128 bits.
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

/** The node's half: the session key that the agent chose. Throws `ERR_PROTOCOL`, in the same words for whatever is wrong. */
export function takeSessionKey(privateKey: KeyObject, message: Frame): Buffer {
  if (message["State"] !== "AESKEY") throw damaged()
  const sealed = { ciphertext: field(message, "cipher"), tag: field(message, "tag", 16) }
  const nonce = field(message, "nonce", 16)
  const wrapping = decrypt(privateKey, field(message, "enc_session_key"))
  const sessionKey = wrapping?.length === 16 ? eaxOpen(wrapping, nonce, sealed) : null
  if (sessionKey === null || !/^[0-9a-fA-F]{32}$/.test(sessionKey.toString("latin1"))) throw damaged()
  return sessionKey
}

function publicKeyOf({ State: state, PublicKey: pem }: Frame): KeyObject {
  if (state !== "KEYSENT" || typeof pem !== "string" || !pem.startsWith("-----BEGIN PUBLIC KEY-----"))
    throw refused()
  try {
    const key = createPublicKey(pem)
    const { modulusLength, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
    // With an exponent of 0 or 1 anybody on the way could read what is encrypted.
    const isSound = modulusLength === rsaBits && publicExponent >= 3n && publicExponent % 2n === 1n
    if (key.asymmetricKeyType === "rsa" && isSound) return key
  } catch (error) {
    throw refused(error)
  }
  throw refused()
}

function refused(cause?: unknown): PurserError {
  return new PurserError("ERR_PROTOCOL", "what answers there is not a FluxVault node", {
    hint: "does a node that speaks FluxVault's protocol listen at this address and port?",
    cause,
  })
}

/** Not every number of 2048 bits is a modulus, and OpenSSL looks only when it uses it. */
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
