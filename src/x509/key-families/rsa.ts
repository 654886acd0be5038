import { generateKeyPair } from "node:crypto"
import { promisify } from "node:util"
import * as der from "../der.ts"
import type { KeyFamily, KeyType } from "../key-family.ts"

/** sha256WithRSAEncryption and its variants (RFC 4055 section 5). */
const [withSha256, withSha384, withSha512] = [
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
]
const [leastBits, mostBits] = [2048, 8192]

export const rsaFamily: KeyFamily<"rsa2048" | "rsa3072" | "rsa4096"> = {
  title: "RSA",
  has: ({ asymmetricKeyType: type }) => type === "rsa",
  types: [sized("rsa2048", 2048), sized("rsa3072", 3072), sized("rsa4096", 4096)],
  signature: { identifier: der.sequence(der.oid(withSha256), der.nothing()), hash: "sha256" },
  accepts: { [withSha256]: "sha256", [withSha384]: "sha384", [withSha512]: "sha512" },
  enciphers: true,
  weakness({ asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} }) {
    if (modulusLength < leastBits)
      return { why: `its RSA key has ${modulusLength} bits`, hint: `use at least ${leastBits} bits` }
    if (modulusLength > mostBits)
      return { why: `its RSA key has ${modulusLength} bits`, hint: `use at most ${mostBits} bits` }
    if (publicExponent < 65_537n || publicExponent % 2n === 0n)
      return { why: "its RSA key has a weak exponent", hint: "use the common exponent 65537" }
    return null
  },
}

function sized<Name extends string>(name: Name, modulusLength: number): KeyType<Name> {
  return {
    name,
    is: ({ asymmetricKeyDetails: details }) => details?.modulusLength === modulusLength,
    generate: async () => (await promisify(generateKeyPair)("rsa", { modulusLength })).privateKey,
  }
}
