import { createHash, type KeyObject } from "node:crypto"
import { keyTypeOf } from "../keys.ts"

/** Describes keys by their public part only. */

/** The type of key as in the configuration (`p256`), or else its algorithm and curve or size. */
export function keyTypeText(key: KeyObject): string {
  const { asymmetricKeyType: type = "unknown", asymmetricKeyDetails: details } = key
  return (
    keyTypeOf(key) ??
    [type, details?.namedCurve ?? details?.modulusLength].filter((part) => part !== undefined).join(" ")
  )
}

/** The pin of a key: `sha256:` and the base64url SHA-256 of its SPKI (RFC 7469 section 2.4). */
export function pinText(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: "spki", format: "der" })
  return `sha256:${createHash("sha256").update(spki).digest("base64url")}`
}
