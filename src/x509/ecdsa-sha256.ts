import * as der from "./der.ts"
import type { SignatureAlgorithm } from "./key-family.ts"

/** How P-256 keys sign (RFC 5758 section 3.2). On its own, so that a node does not carry every family of keys. */
export const ecdsaSha256: SignatureAlgorithm = {
  identifier: der.sequence(der.oid("1.2.840.10045.4.3.2")),
  hash: "sha256",
}
