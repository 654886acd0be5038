import { generateKeyPair } from "node:crypto"
import { promisify } from "node:util"
import * as der from "../der.ts"
import type { KeyFamily } from "../key-family.ts"

/** The ECDSA algorithms of RFC 5758 section 3.2; every curve may be used with each of them. */
const ecdsaWith = {
  sha256: "1.2.840.10045.4.3.2",
  sha384: "1.2.840.10045.4.3.3",
  sha512: "1.2.840.10045.4.3.4",
}
const accepts = Object.fromEntries(Object.entries(ecdsaWith).map(([hash, oid]) => [oid, hash]))

export const p256Family = curve("p256", { title: "EC P-256", namedCurve: "prime256v1", hash: "sha256" })
export const p384Family = curve("p384", { title: "EC P-384", namedCurve: "secp384r1", hash: "sha384" })

function curve<Name extends string>(
  name: Name,
  { title, namedCurve, hash }: { title: string; namedCurve: string; hash: keyof typeof ecdsaWith },
): KeyFamily<Name> {
  const generate = async () => (await promisify(generateKeyPair)("ec", { namedCurve })).privateKey
  return {
    title,
    has: ({ asymmetricKeyType: type, asymmetricKeyDetails: details }) =>
      type === "ec" && details?.namedCurve === namedCurve,
    types: [{ name, is: () => true, generate }],
    signature: { identifier: der.sequence(der.oid(ecdsaWith[hash])), hash },
    accepts,
    enciphers: false,
    weakness: () => null,
  }
}
