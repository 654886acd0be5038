import { createCipheriv, createDecipheriv, timingSafeEqual } from "node:crypto"

/**
 * AES-EAX (Bellare, Rogaway, Wagner: "The EAX Mode of Operation", 2004), written
 * here because OpenSSL lacks it: AES-CTR for the text, CMAC (NIST SP 800-38B) for
 * nonce, header and ciphertext. Keys have 16, 24 or 32 bytes, tags 16.
 */

const blockBytes = 16

export interface Sealed {
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

export function eaxSeal(key: Buffer, nonce: Buffer, text: Buffer, header: Buffer = Buffer.alloc(0)): Sealed {
  const start = cmac(key, nonce, 0)
  const cipher = createCipheriv(aes(key, "ctr"), key, start)
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()])
  return { ciphertext, tag: tagOf(key, start, header, ciphertext) }
}

/** Decrypts. Returns null if the tag does not match. */
export function eaxOpen(
  key: Buffer,
  nonce: Buffer,
  { ciphertext, tag }: Sealed,
  header: Buffer = Buffer.alloc(0),
): Buffer | null {
  const start = cmac(key, nonce, 0)
  const expected = tagOf(key, start, header, ciphertext)
  if (tag.length !== expected.length || !timingSafeEqual(tag, expected)) return null
  const decipher = createDecipheriv(aes(key, "ctr"), key, start)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

function tagOf(key: Buffer, start: Buffer, header: Buffer, ciphertext: Buffer): Buffer {
  return xor(xor(start, cmac(key, header, 1)), cmac(key, ciphertext, 2))
}

/** Returns the CMAC of a block that holds `use`, followed by the data: "OMAC with a tweak" in the paper. */
function cmac(key: Buffer, data: Buffer, use: number): Buffer {
  const whole = Buffer.concat([Buffer.alloc(blockBytes), data])
  whole[blockBytes - 1] = use
  const isFull = whole.length % blockBytes === 0
  const padded = isFull ? whole : Buffer.concat([whole, Buffer.from([0x80]), Buffer.alloc(blockBytes)])
  const bytes = padded.subarray(0, Math.ceil(whole.length / blockBytes) * blockBytes)
  const subkey = double(cbc(key, Buffer.alloc(blockBytes)))
  const last = bytes.subarray(-blockBytes)
  xor(last, isFull ? subkey : double(subkey)).copy(last)
  return cbc(key, bytes).subarray(-blockBytes)
}

function cbc(key: Buffer, blocks: Buffer): Buffer {
  return createCipheriv(aes(key, "cbc"), key, Buffer.alloc(blockBytes)).setAutoPadding(false).update(blocks)
}

/** Multiplies by x in GF(2^128), modulo x^128 + x^7 + x^2 + x + 1. */
function double(block: Buffer): Buffer {
  const shifted = Buffer.from(block.map((byte, at) => (byte << 1) | ((block[at + 1] ?? 0) >>> 7)))
  if ((block[0] ?? 0) & 0x80) shifted[blockBytes - 1] = (shifted[blockBytes - 1] ?? 0) ^ 0x87
  return shifted
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))
}

function aes(key: Buffer, mode: "ctr" | "cbc"): string {
  return `aes-${key.length * 8}-${mode}`
}
