/** 32 bytes as 43 characters of unpadded base64url: keys' hashes, tokens and proofs look like this. */

const shape = /^[A-Za-z0-9_-]{43}$/

/** True only for the one canonical spelling: the two bits that 43 characters have over must be zero. */
export function isBase64Url32(text: string): boolean {
  return shape.test(text) && Buffer.from(text, "base64url").toString("base64url") === text
}
