import { createPublicKey, randomBytes, sign, type KeyObject } from "node:crypto"
import * as der from "./der.ts"
import { ecdsaSha256 } from "./ecdsa-sha256.ts"

/**
 * The validity of every self-signed certificate: all of time. The certificate only
 * carries the public key in TLS and the pin decides, so a node whose clock starts
 * in 1970 must accept it too.
 */
const validity = der.sequence(der.time(new Date(0)), der.time(new Date(Date.UTC(9999, 11, 31, 23, 59, 59))))

const name = der.sequence(der.set(der.sequence(der.oid("2.5.4.3"), der.utf8("purser"))))
const critical = der.boolean(true)
const extensions = der.sequence(
  // basicConstraints: not a CA. keyUsage: digitalSignature, the first bit (RFC 5280 section 4.2.1).
  der.sequence(der.oid("2.5.29.19"), critical, der.octetString(der.sequence())),
  der.sequence(der.oid("2.5.29.15"), critical, der.octetString(der.bitString(Uint8Array.of(0x80), 7))),
)

/**
 * Returns a self-signed X.509 v3 certificate for a P-256 key, in DER. Only key, serial number and signature differ
 * between certificates.
 */
export function selfSigned(privateKey: KeyObject): Buffer {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" })
  const body = der.sequence(
    der.contextTag(0, der.integer(2)),
    der.integer(randomBytes(16)),
    ecdsaSha256.identifier,
    name,
    validity,
    name,
    spki,
    der.contextTag(3, extensions),
  )
  return der.sequence(body, ecdsaSha256.identifier, der.bitString(sign("sha256", body, privateKey)))
}
