import { createCipheriv, generateKeyPair, pbkdf2, randomBytes, sign } from "node:crypto"
import { promisify } from "node:util"
import type { Secret } from "../../../base/secret.ts"

/**
 * The body that the container downloads: one byte with the signature's length, the signature (ECDSA, P-256, SHA-256, DER), and
 * what `openssl enc -aes-256-ctr -pbkdf2 -iter 10000 -md sha256` makes: `Salted__`, 8 bytes of salt, the ciphertext.
 * The signature covers who it is for as well, so that it can be checked before anything is decrypted.
 */

export interface ToSeal {
  readonly content: Secret
  /** Full id of the container that it is for; `-` for a builder's, which has none that could be known. */
  readonly containerId: string
  readonly path: string
  /** Three octal digits. */
  readonly mode: string
}

export interface SealedBody {
  readonly body: Buffer
  /** 256 bits, base64url. */
  readonly password: string
  /** SubjectPublicKeyInfo in base64: what stands between the two lines of a PEM. */
  readonly publicKey: string
}

const iterations = 10_000
const makeKeys = promisify(generateKeyPair)

/** With a password and a pair of keys that are never used again. */
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
