import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto"
import { sameBytes } from "../base/digest.ts"
import { isBase64Url32 } from "./base64url.ts"

/**
 * The input of a proof, by which a node shows that it holds the app's token
 * without sending it. The exporter (RFC 8446 section 7.5) binds the proof to this
 * TLS connection: an attacker in the middle has two connections with two
 * exporters, and can use neither end's proof on the other.
 */
export interface ProofInput {
  /** The decoded 32 bytes of the token. */
  readonly token: Uint8Array
  /** The 32 bytes exported from this connection. */
  readonly exporter: Uint8Array
  /** 32 bytes. */
  readonly nodeSpkiSha256: Uint8Array
  /** 32 bytes. */
  readonly agentSpkiSha256: Uint8Array
  readonly app: string
}

/** Returns HMAC-SHA256(key, exporter ‖ SHA-256(node SPKI) ‖ SHA-256(agent SPKI) ‖ app): 32 bytes. */
export function proofOf({ token, exporter, nodeSpkiSha256, agentSpkiSha256, app }: ProofInput): Buffer {
  // The other parts have fixed lengths and only the app's name varies, so no two inputs concatenate to the same bytes.
  for (const part of [exporter, nodeSpkiSha256, agentSpkiSha256]) {
    if (part.length !== 32) throw new TypeError("a part of the proof is not 32 bytes")
  }
  return createHmac("sha256", keyFor(token))
    .update(exporter)
    .update(nodeSpkiSha256)
    .update(agentSpkiSha256)
    .update(app, "utf8")
    .digest()
}

/** Returns the key of proofs: HKDF-SHA256(token, salt empty, info "purser/1 node", 32) (RFC 5869). */
export function proofKey(token: Uint8Array): Buffer {
  if (token.length !== 32) throw new TypeError("a token is 32 bytes")
  return Buffer.from(hkdfSync("sha256", token, Buffer.alloc(0), "purser/1 node", 32))
}

/**
 * Caches the key of each token, because deriving it costs more than a proof and all sessions of an app share it. An
 * entry lives as long as the token's buffer, and is valid only while the buffer holds the same bytes.
 */
const keys = new WeakMap<Uint8Array, { readonly token: Buffer; readonly key: KeyObject }>()

function keyFor(token: Uint8Array): KeyObject {
  const known = keys.get(token)
  if (known !== undefined && sameBytes(known.token, token)) return known.key
  const key = createSecretKey(proofKey(token))
  keys.set(token, { token: Buffer.from(token), key })
  return key
}

/** Verifies the `proof` of a hello frame in constant time. Returns false for null and for a damaged proof. */
export function verifyProof(proof: string | null, input: ProofInput): boolean {
  const expected = proofOf(input)
  return proof !== null && isBase64Url32(proof) && sameBytes(Buffer.from(proof, "base64url"), expected)
}
