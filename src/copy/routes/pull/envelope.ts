import { createCipheriv, generateKeyPair, pbkdf2, randomBytes, sign } from "node:crypto"
import { promisify } from "node:util"
import type { Secret } from "../../../base/secret.ts"

/**
 * Seals the body that the container downloads: one byte with the signature's length, the signature (ECDSA, P-256,
 * SHA-256, DER), and the output of `openssl enc -aes-256-ctr -pbkdf2 -iter 10000 -md sha256`: `Salted__`, 8 bytes of
 * salt, the ciphertext. The signature also covers the container, the path and the mode, so that all are verified before
 * anything is decrypted.
 */

export interface ToSeal {
  readonly content: Secret
  /** Full id of the receiving container; `-` for a builder, whose id cannot be known. */
  readonly containerId: string
  readonly path: string
  /** Three octal digits. */
  readonly mode: string
}

export interface SealedBody {
  readonly body: Buffer
  /** 256 bits, base64url. */
  readonly password: string
  /** SubjectPublicKeyInfo in base64: the body of a PEM, without its first and last line. */
  readonly publicKey: string
}

const iterations = 10_000
const makeKeys = promisify(generateKeyPair)

/** Seals a body with a new password and a new key pair, which are never used again. */
export async function sealBody({ content, containerId, path, mode }: ToSeal): Promise<SealedBody> {
  const password = randomBytes(32).toString("base64url")
  const salt = randomBytes(8)
  const [derived, { privateKey, publicKey }] = await Promise.all([
    promisify(pbkdf2)(`${password}:${containerId}`, salt, iterations, 32 + 16, "sha256"),
    makeKeys("ec", { namedCurve: "P-256" }),
  ])
  const cipher = createCipheriv("aes-256-ctr", derived.subarray(0, 32), derived.subarray(32))
  const sealed = Buffer.concat([
    Buffer.from("Salted__"),
    salt,
    cipher.update(content.reveal()),
    cipher.final(),
  ])
  derived.fill(0)
  const signed = Buffer.concat([Buffer.from(`purser-pull/1\n${containerId}\n${path}\n${mode}\n`), sealed])
  const signature = sign("sha256", signed, { key: privateKey, dsaEncoding: "der" })
  return {
    body: Buffer.concat([Buffer.of(signature.length), signature, sealed]),
    password,
    publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
  }
}
