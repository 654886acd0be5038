import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto"
import { sameBytes } from "../base/digest.ts"
import { isBase64Url32 } from "./base64url.ts"

/**
 * How a node shows that it holds the app's token without sending it. The proof
 * is bound to this one TLS connection by its exporter (RFC 8446 section 7.5),
 * so that whoever stands in the middle holds two connections with two
 * exporters, and can use neither end's proof on the other.
 */
export interface ProofInput {
  /** The decoded 32 bytes of the token. */
  readonly token: Uint8Array
  /** 32 bytes, of this connection. */
  readonly exporter: Uint8Array
  /** 32 bytes. */
  readonly nodeSpkiSha256: Uint8Array
  /** 32 bytes. */
  readonly agentSpkiSha256: Uint8Array
  readonly app: string
}

/** HMAC-SHA256(key, exporter ‖ SHA-256(node SPKI) ‖ SHA-256(agent SPKI) ‖ app): 32 bytes. */
export function proofOf({ token, exporter, nodeSpkiSha256, agentSpkiSha256, app }: ProofInput): Buffer {
  // With fixed lengths before it, the app's name is the only part of variable length: no two inputs read the same.
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

/** HKDF-SHA256(token, salt empty, info "purser/1 node", 32) (RFC 5869). */
export function proofKey(token: Uint8Array): Buffer {
  if (token.length !== 32) throw new TypeError("a token is 32 bytes")
  return Buffer.from(hkdfSync("sha256", token, Buffer.alloc(0), "purser/1 node", 32))
}

/**
 * One token serves all sessions of its app, and deriving its key costs more than the proof itself. Kept as long as the
 * token's buffer, and good only while that has the same bytes.
 */
const keys = new WeakMap<Uint8Array, { readonly token: Buffer; readonly key: KeyObject }>()

function keyFor(token: Uint8Array): KeyObject {
  const known = keys.get(token)
  if (known !== undefined && sameBytes(known.token, token)) return known.key
  const key = createSecretKey(proofKey(token))
  keys.set(token, { token: Buffer.from(token), key })
  return key
}

/** Whether the `proof` of a hello frame is the one for these. In constant time; null and damaged ones are false. */
export function verifyProof(proof: string | null, input: ProofInput): boolean {
  const expected = proofOf(input)
  return proof !== null && isBase64Url32(proof) && sameBytes(Buffer.from(proof, "base64url"), expected)
}
