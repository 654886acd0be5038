import * as der from "./der.ts"
import type { SignatureAlgorithm } from "./key-family.ts"

/**
 * The algorithm with which P-256 keys sign (RFC 5758 section 3.2), in its own file so that a node does not load every
 * family of keys.
 */
export const ecdsaSha256: SignatureAlgorithm = {
  identifier: der.sequence(der.oid("1.2.840.10045.4.3.2")),
  hash: "sha256",
}
