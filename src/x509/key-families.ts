import type { KeyObject } from "node:crypto"
import type { KeyFamily, KeyType, SignatureAlgorithm } from "./key-family.ts"
import { p256Family, p384Family } from "./key-families/ec.ts"
import { ed25519Family } from "./key-families/ed25519.ts"
import { rsaFamily } from "./key-families/rsa.ts"

/** All families of keys that certificates may have and are signed with, in the order of the help texts. */
export const keyFamilies = [p256Family, p384Family, ed25519Family, rsaFamily] as const

export type KeyTypeName = (typeof keyFamilies)[number]["types"][number]["name"]

/** The names of all key types in configuration, flags and records. */
export const keyTypeNames: readonly KeyTypeName[] = keyTypesOf(keyFamilies).map(({ name }) => name)

type Families<Name extends string> = readonly KeyFamily<Name>[]

export function keyTypesOf<Name extends string>(families: Families<Name>): KeyType<Name>[] {
  return families.flatMap(({ types }) => types)
}

/** Returns the family of a key, or undefined if certificates cannot have such a key. */
export function keyFamilyOf<Name extends string>(
  key: KeyObject,
  families: Families<Name>,
): KeyFamily<Name> | undefined {
  return families.find((family) => family.has(key))
}

/** Returns the algorithm with which a private key signs. Throws a `TypeError` for a key of no family. */
export function signatureAlgorithm(
  key: KeyObject,
  families: Families<string> = keyFamilies,
): SignatureAlgorithm {
  const family = keyFamilyOf(key, families)
  if (family !== undefined) return family.signature
  throw new TypeError(`${key.asymmetricKeyType ?? "this"} is not a key that certificates are signed with`)
}

/** Joins words to `a, b or c`, for help and hints. */
export function anyOf(words: readonly string[]): string {
  return [words.slice(0, -1).join(", "), ...words.slice(-1)].filter((part) => part !== "").join(" or ")
}
