import type { KeyObject } from "node:crypto"

/**
 * A family of key types that sign alike: how its keys are generated, recognized and used to sign, and which foreign
 * signatures and keys are accepted. Each family has a file in `key-families/` and a line in `key-families.ts`; no other
 * code may list the families.
 */
export interface KeyFamily<Name extends string = string> {
  /** The family's name in hints, in the terms of other programs: `EC P-256`. */
  readonly title: string
  /** Returns whether a private or public key is of this family, also if its type is never generated here. */
  has(key: KeyObject): boolean
  readonly types: readonly KeyType<Name>[]
  readonly signature: SignatureAlgorithm
  /** The accepted signature algorithms: from an algorithm's OID to the hash for `crypto.verify`. */
  readonly accepts: Readonly<Record<string, string | null>>
  /** Whether TLS may encrypt to such a key, so that its certificates get the key usage keyEncipherment. */
  readonly enciphers: boolean
  /** Returns why a key of this family is too weak for a certificate, or null. */
  weakness(key: KeyObject): { readonly why: string; readonly hint: string } | null
}

/** Algorithm and size of a key pair. */
export interface KeyType<Name extends string = string> {
  /** The name in configuration, flags and records: `p256`. */
  readonly name: Name
  /** Returns whether a key of this family has this type. */
  is(key: KeyObject): boolean
  /** Generates a private key. */
  generate(): Promise<KeyObject>
}

export interface SignatureAlgorithm {
  /** The AlgorithmIdentifier in DER. */
  readonly identifier: Buffer
  /** The algorithm argument of `crypto.sign`; null if the key type implies it. */
  readonly hash: string | null
}
