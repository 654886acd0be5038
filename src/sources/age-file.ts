import { PurserError } from "../base/errors.ts"

/** Encrypts and decrypts whole files in the C2SP age format. The library is loaded on first use. */

/** A secret key, `AGE-SECRET-KEY-…`. */
export type AgeIdentity = string

const armorStart = "-----BEGIN AGE ENCRYPTED FILE-----"

export function isAgeFile(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 64)).toString("latin1").trimStart()
  return start.startsWith("age-encryption.org/") || start.startsWith(armorStart)
}

/** Parses an age identity file: one identity per line; comments and empty lines are ignored. Throws `ERR_SOURCE`. */
export function parseIdentities(text: string, file: string): AgeIdentity[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"))
  const strange = keys.some((line) => !/^AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+$/.test(line))
  if (strange || keys.length === 0) {
    throw new PurserError("ERR_SOURCE", `${file} is not an age identity file`, {
      hint: "write one AGE-SECRET-KEY-… per line, as age-keygen does; SSH keys, plugins and passphrases are not supported",
    })
  }
  return keys
}

/** Decrypts an armored or binary file. Rejects with the library's error, which repeats no content. */
export async function decryptAge(bytes: Uint8Array, identities: readonly AgeIdentity[]): Promise<Buffer> {
  const { Decrypter } = await import("age-encryption")
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  return await bytesOf(await decrypter.decrypt(streamOf(await unarmored(bytes))))
}

export async function decryptWithPassphrase(bytes: Uint8Array, passphrase: string): Promise<Buffer> {
  const { Decrypter } = await import("age-encryption")
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  return await bytesOf(await decrypter.decrypt(streamOf(await unarmored(bytes))))
}

export async function encryptAge(bytes: Uint8Array, recipients: readonly string[]): Promise<Buffer> {
  const { Encrypter } = await import("age-encryption")
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return await bytesOf(await encrypter.encrypt(streamOf(bytes)))
}

/** Encrypts a text; the result is armored, so that it is a text file too. */
export async function encryptWithPassphrase(text: string, passphrase: string): Promise<string> {
  const { Encrypter, armor } = await import("age-encryption")
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  return armor.encode(await encrypter.encrypt(text))
}

export async function createAgeIdentity(): Promise<{ identity: AgeIdentity; recipient: string }> {
  // X25519, not the post-quantum hybrid, so that the `age` program of a stable distribution can read the files.
  const { generateX25519Identity } = await import("age-encryption")
  const identity = await generateX25519Identity()
  return { identity, recipient: await recipientOf(identity) }
}

export async function recipientOf(identity: AgeIdentity): Promise<string> {
  const { identityToRecipient } = await import("age-encryption")
  return await identityToRecipient(identity)
}

/**
 * Returns the plaintext's size in bytes of a binary age file: the header ends with its MAC line, then follow a nonce
 * and 64 KiB chunks with a tag each.
 */
export function plaintextBytes(file: Buffer): number {
  const mac = file.indexOf("\n--- ")
  const header = mac === -1 ? -1 : file.indexOf("\n", mac + 1)
  if (header === -1) return 0
  const payload = file.length - header - 1 - 16
  return Math.max(0, payload - Math.ceil(payload / (65_536 + 16)) * 16)
}

/** Returns an upper bound, in bytes, for the encrypted size of `bytes` of plaintext. */
export function ciphertextBytes(bytes: number): number {
  return Math.ceil(bytes * 1.5) + 65_536
}

async function unarmored(bytes: Uint8Array): Promise<Uint8Array> {
  const text = Buffer.from(bytes).toString("latin1").trimStart()
  if (!text.startsWith(armorStart)) return bytes
  const { armor } = await import("age-encryption")
  return armor.decode(text)
}

/**
 * As a stream, because the library answers a stream by one. Bytes it answers by bytes, and collects them by fetch's
 * `Response`, for which Node loads its HTTP client: 10 ms and some megabytes.
 */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}
