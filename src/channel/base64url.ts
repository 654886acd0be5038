/** The encoding of key hashes, tokens and proofs: 32 bytes as 43 characters of unpadded base64url. */

const shape = /^[A-Za-z0-9_-]{43}$/

/**
 * Returns whether a text is such an encoding in its canonical form: the two unused bits of the last character are zero.
 */
export function isBase64Url32(text: string): boolean {
  return shape.test(text) && Buffer.from(text, "base64url").toString("base64url") === text
}
