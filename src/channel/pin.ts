import { createHash, X509Certificate } from "node:crypto"
import { sameText } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { isBase64Url32 } from "./base64url.ts"

/**
 * A pin, by which one end recognises the other: `sha256:` and the unpadded
 * base64url of the SHA-256 of its SubjectPublicKeyInfo in DER (RFC 7469
 * section 2.4 hashes the same bytes).
 */
export type Pin = `sha256:${string}`

const prefix = "sha256:"

/** A P-256 SPKI up to the two coordinates: id-ecPublicKey, prime256v1, uncompressed point (RFC 5480 section 2). */
const p256SpkiHead = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex")

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

/** Returns the pin of a public key from the SHA-256 of its SPKI. */
export function pinOfHash(spkiSha256: Uint8Array): Pin {
  return `${prefix}${Buffer.from(spkiSha256.buffer, spkiSha256.byteOffset, spkiSha256.byteLength).toString("base64url")}`
}

/** Returns the pin of a public key from its SPKI in DER. */
export function pinOfSpki(spki: Uint8Array): Pin {
  return pinOfHash(createHash("sha256").update(spki).digest())
}

/**
 * Returns the SPKI of a certificate in DER, or undefined if its key is not a
 * P-256 key. It is built from the key's coordinates, so that every key has one
 * encoding and one pin however its certificate encodes it. This also takes half
 * the time of OpenSSL's encoder, which matters in a handshake.
 */
export function spkiOfCertificate(certificate: X509Certificate): Buffer | undefined {
  try {
    const { crv, x, y } = certificate.publicKey.export({ format: "jwk" })
    if (crv !== "P-256" || x === undefined || y === undefined) return undefined
    return Buffer.concat([p256SpkiHead, Buffer.from(x, "base64url"), Buffer.from(y, "base64url")])
  } catch {
    return undefined // the key has no JWK form
  }
}

/** Returns the pin of a certificate in DER or PEM. Throws `ERR_IDENTITY` if it is not a certificate of a P-256 key. */
export function pinOfCertificate(certificate: Uint8Array | string): Pin {
  let spki: Buffer | undefined
  try {
    spki = spkiOfCertificate(new X509Certificate(certificate))
  } catch (error) {
    throw new PurserError("ERR_IDENTITY", "the input is not a certificate", { cause: error })
  }
  if (spki === undefined) throw new PurserError("ERR_IDENTITY", "the certificate's key is not a P-256 key")
  return pinOfSpki(spki)
}

/** Compares two pins in constant time. */
export function samePin(a: Pin, b: Pin): boolean {
  return sameText(a, b)
}
