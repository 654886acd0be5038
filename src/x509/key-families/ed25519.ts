import { generateKeyPair } from "node:crypto"
import { promisify } from "node:util"
import * as der from "../der.ts"
import type { KeyFamily } from "../key-family.ts"

/** id-Ed25519 (RFC 8410 section 3). */
const oid = "1.3.101.112"

export const ed25519Family: KeyFamily<"ed25519"> = {
  title: "Ed25519",
  has: ({ asymmetricKeyType: type }) => type === "ed25519",
  types: [
    {
      name: "ed25519",
      is: () => true,
      generate: async () => (await promisify(generateKeyPair)("ed25519")).privateKey,
    },
  ],
  signature: { identifier: der.sequence(der.oid(oid)), hash: null },
  accepts: { [oid]: null },
  enciphers: false,
  weakness: () => null,
}
