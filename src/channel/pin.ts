import { createHash, X509Certificate } from "node:crypto"
import { sameText } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { isBase64Url32 } from "./base64url.ts"

/**
 * A pin is how one end recognises the other: `sha256:` and the unpadded
 * base64url of the SHA-256 of its SubjectPublicKeyInfo in DER (RFC 7469
 * section 2.4 hashes the same bytes).
 */
export type Pin = `sha256:${string}`

const prefix = "sha256:"

export function isPin(value: unknown): value is Pin {
  return typeof value === "string" && value.startsWith(prefix) && isBase64Url32(value.slice(prefix.length))
}

/** Returns the pin itself. Throws `ERR_ENROLMENT`. */
export function parsePin(text: string): Pin {
  if (isPin(text)) return text
  throw new PurserError("ERR_ENROLMENT", `${quote(text)} is not a pin`, {
    hint: "a pin is sha256: and 43 characters of base64url, as `purser nodes ls` and `purser agent identity` print it",
  })
}

/** The pin of a public key from the SHA-256 of its SPKI. */
export function pinOfHash(spkiSha256: Uint8Array): Pin {
  return `${prefix}${Buffer.from(spkiSha256.buffer, spkiSha256.byteOffset, spkiSha256.byteLength).toString("base64url")}`
}

/** The pin of a public key from its SPKI in DER. */
export function pinOfSpki(spki: Uint8Array): Pin {
  return pinOfHash(createHash("sha256").update(spki).digest())
}

/** The pin of a certificate, given as DER or PEM. Throws `ERR_IDENTITY` when it is none. */
export function pinOfCertificate(certificate: Uint8Array | string): Pin {
  try {
    return pinOfSpki(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }))
  } catch (error) {
    throw new PurserError("ERR_IDENTITY", "not a certificate", { cause: error })
  }
}

/** In constant time. */
export function samePin(a: Pin, b: Pin): boolean {
  return sameText(a, b)
}
