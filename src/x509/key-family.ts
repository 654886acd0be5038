import type { KeyObject } from "node:crypto"

/**
 * A family of key types that sign alike: how its keys are made and told from others, how they sign, and which
 * signatures and keys of strangers are taken. Each family has a file in `key-families/` and a line in
 * `key-families.ts`; nothing else knows which there are.
 */
export interface KeyFamily<Name extends string = string> {
  /** For hints, in the terms of other programs: `EC P-256`. */
  readonly title: string
  /** Whether a private or public key is one of it, also of a type that is never made here. */
  has(key: KeyObject): boolean
  readonly types: readonly KeyType<Name>[]
  readonly signature: SignatureAlgorithm
  /** The hash for `crypto.verify`, by the OID of each algorithm whose signatures by such a key are taken. */
  readonly accepts: Readonly<Record<string, string | null>>
  /** Whether TLS may encrypt a secret to such a key, which certificates say then (keyEncipherment). */
  readonly enciphers: boolean
  /** Why no certificate is given to this key, although it is of this family; null where it may be. */
  weakness(key: KeyObject): { readonly why: string; readonly hint: string } | null
}

/** Algorithm and size of a key pair. */
export interface KeyType<Name extends string = string> {
  /** As configuration, flags and records have it: `p256`. */
  readonly name: Name
  /** Called for keys of the family. */
  is(key: KeyObject): boolean
  /** A new private key. */
  generate(): Promise<KeyObject>
}

export interface SignatureAlgorithm {
  /** The AlgorithmIdentifier, in DER. */
  readonly identifier: Buffer
  /** For `crypto.sign`; null where the algorithm brings its own. */
  readonly hash: string | null
}
