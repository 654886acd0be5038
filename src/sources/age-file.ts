import { PurserError } from "../base/errors.ts"

/** Encrypts and decrypts the C2SP age format, by whole files. The library is loaded when the first one comes. */

/** Secret keys, `AGE-SECRET-KEY-…`. */
export type AgeIdentity = string

const armorStart = "-----BEGIN AGE ENCRYPTED FILE-----"

export function isAgeFile(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 64)).toString("latin1").trimStart()
  return start.startsWith("age-encryption.org/") || start.startsWith(armorStart)
}

/** The identities of an age identity file: one a line, comments and empty lines between. Throws `ERR_SOURCE`. */
export function parseIdentities(text: string, file: string): AgeIdentity[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"))
  const strange = keys.some((line) => !/^AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+$/.test(line))
  if (strange || keys.length === 0) {
    throw new PurserError("ERR_SOURCE", `${file} is not an age identity file`, {
      hint: "one AGE-SECRET-KEY-… a line, as age-keygen writes it; neither SSH keys, plugins nor a passphrase work here",
    })
  }
  return keys
}

/** Armored or binary. Rejects with the library's reason, which repeats no content. */
export async function decryptAge(bytes: Uint8Array, identities: readonly AgeIdentity[]): Promise<Buffer> {
  const { Decrypter } = await import("age-encryption")
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  return buffer(await decrypter.decrypt(await unarmored(bytes)))
}

export async function decryptWithPassphrase(bytes: Uint8Array, passphrase: string): Promise<Buffer> {
  const { Decrypter } = await import("age-encryption")
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  return buffer(await decrypter.decrypt(await unarmored(bytes)))
}

export async function encryptAge(bytes: Uint8Array, recipients: readonly string[]): Promise<Buffer> {
  const { Encrypter } = await import("age-encryption")
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return buffer(await encrypter.encrypt(bytes))
}

/** Armored, since it is a text file that is encrypted. */
export async function encryptWithPassphrase(text: string, passphrase: string): Promise<string> {
  const { Encrypter, armor } = await import("age-encryption")
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  return armor.encode(await encrypter.encrypt(text))
}

export async function createAgeIdentity(): Promise<{ identity: AgeIdentity; recipient: string }> {
  // X25519, not the hybrid: the `age` program of a stable distribution has to read the files.
  const { generateX25519Identity } = await import("age-encryption")
  const identity = await generateX25519Identity()
  return { identity, recipient: await recipientOf(identity) }
}

export async function recipientOf(identity: AgeIdentity): Promise<string> {
  const { identityToRecipient } = await import("age-encryption")
  return await identityToRecipient(identity)
}

/** Bytes of plaintext in a binary age file: the header ends with its MAC line, then a nonce and 64 KiB chunks with a tag each. */
export function plaintextBytes(file: Buffer): number {
  const mac = file.indexOf("\n--- ")
  const header = mac === -1 ? -1 : file.indexOf("\n", mac + 1)
  if (header === -1) return 0
  const payload = file.length - header - 1 - 16
  return Math.max(0, payload - Math.ceil(payload / (65_536 + 16)) * 16)
}

/** An upper bound for the size of an age file of so many bytes of plaintext. */
export function ciphertextBytes(bytes: number): number {
  return Math.ceil(bytes * 1.5) + 65_536
}

async function unarmored(bytes: Uint8Array): Promise<Uint8Array> {
  const text = Buffer.from(bytes).toString("latin1").trimStart()
  if (!text.startsWith(armorStart)) return bytes
  const { armor } = await import("age-encryption")
  return armor.decode(text)
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
