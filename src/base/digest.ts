import { createHash, timingSafeEqual } from "node:crypto"

/** A SHA-256 in the form that Purser writes everywhere: `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`

const pattern = /^sha256:[0-9a-f]{64}$/

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`
}

export function isDigest(value: unknown): value is Digest {
  return typeof value === "string" && pattern.test(value)
}

/** Compares bytes in constant time if the lengths are equal. The lengths themselves are not secret. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Compares digests and other text as {@link sameBytes} does. */
export function sameText(a: string, b: string): boolean {
  return sameBytes(Buffer.from(a), Buffer.from(b))
}
