import { createHash, type KeyObject } from "node:crypto"
import { keyTypeOf } from "../keys.ts"

/** Facts of a key that anybody may know. */

/** One of the kinds that we make, or what it is in words. */
export function keyTypeText(key: KeyObject): string {
  const { asymmetricKeyType: type = "unknown", asymmetricKeyDetails: details } = key
  return (
    keyTypeOf(key) ??
    [type, details?.namedCurve ?? details?.modulusLength].filter((part) => part !== undefined).join(" ")
  )
}

/** The SHA-256 of its SPKI (RFC 7469 section 2.4), as pins are written everywhere in Purser. */
export function pinText(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: "spki", format: "der" })
  return `sha256:${createHash("sha256").update(spki).digest("base64url")}`
}
