import {
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  pbkdf2,
  randomBytes,
  type KeyObject,
} from "node:crypto"
import { promisify } from "node:util"
import * as der from "../x509/der.ts"
import { keyFamilyOf, keyFamilies, keyTypesOf, type KeyTypeName } from "../x509/key-families.ts"
import type { KeyFamily } from "../x509/key-family.ts"
import { PurserError } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"

/** Makes key pairs, names their types, and encrypts the private keys of CAs under a passphrase. It stores none. */

/** OWASP's recommendation for PBKDF2 with HMAC-SHA256. */
const iterations = 600_000
/** OpenSSL reads at most this much of a passphrase, so a key under a longer one could never be opened again. */
const maxPassphraseBytes = 1023
const sealedLabel = "ENCRYPTED PRIVATE KEY"

/** Makes a private key. */
export async function generateKey(type: KeyTypeName): Promise<KeyObject> {
  const found = keyTypesOf(keyFamilies).find(({ name }) => name === type)
  if (found === undefined) throw new TypeError(`there is no type of key ${type}`)
  return await found.generate()
}

/** The type of a private or public key; null for a type that is never made here. */
export function keyTypeOf(key: KeyObject): KeyTypeName | null
export function keyTypeOf<Name extends string>(
  key: KeyObject,
  families: readonly KeyFamily<Name>[],
): Name | null
export function keyTypeOf(key: KeyObject, families: readonly KeyFamily[] = keyFamilies): string | null {
  return keyFamilyOf(key, families)?.types.find((type) => type.is(key))?.name ?? null
}

/** The first 32 hex digits of the SHA-256 of the key's SPKI. */
export function keyId(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key
  const spki = publicKey.export({ type: "spki", format: "der" })
  return createHash("sha256").update(spki).digest("hex").slice(0, 32)
}

/**
 * Encrypts a key: PKCS#8 PEM under PBES2 (RFC 8018) with PBKDF2, HMAC-SHA256 and AES-256-CBC. It is written here because
 * OpenSSL's export uses only 2,048 iterations. Throws `ERR_PASSPHRASE` for an empty or too long passphrase.
 */
export async function sealKey(key: KeyObject, passphrase: Secret): Promise<string> {
  if (passphrase.sizeBytes === 0 || passphrase.sizeBytes > maxPassphraseBytes) {
    throw new PurserError("ERR_PASSPHRASE", `a passphrase needs 1 to ${maxPassphraseBytes} bytes`, {
      hint: "choose another passphrase; six random words are enough",
    })
  }
  const [salt, iv] = [randomBytes(16), randomBytes(16)]
  const derived = await promisify(pbkdf2)(passphrase.reveal(), salt, iterations, 32, "sha256")
  const cipher = createCipheriv("aes-256-cbc", derived, iv)
  const plain = key.export({ type: "pkcs8", format: "der" })
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  plain.fill(0)
  derived.fill(0)
  const hmacWithSha256 = der.sequence(der.oid("1.2.840.113549.2.9"), der.nothing())
  const derivation = der.sequence(
    der.oid("1.2.840.113549.1.5.12"),
    der.sequence(der.octetString(salt), der.integer(iterations), hmacWithSha256),
  )
  const encryption = der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octetString(iv))
  const algorithm = der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(derivation, encryption))
  return der.pem(sealedLabel, der.sequence(algorithm, der.octetString(sealed)))
}

/**
 * Decrypts a key. Throws the same `ERR_PASSPHRASE` for a wrong passphrase and for a damaged key, because OpenSSL's reason
 * could hold bytes of either. An unencrypted key is refused too, because any passphrase would open it. `what`: the key,
 * for the message.
 */
export async function openKey(pem: string, passphrase: Secret, what: string): Promise<KeyObject> {
  try {
    const [, label] = /-----BEGIN ([A-Z ]+)-----/.exec(pem) ?? []
    if (label !== sealedLabel) throw new TypeError("not sealed")
    const key = createPrivateKey({ key: pem, format: "pem", passphrase: passphrase.reveal() })
    if (keyTypeOf(key) === null) throw new TypeError("not a key that signs here")
    return key
  } catch {
    throw new PurserError("ERR_PASSPHRASE", `the passphrase does not open ${what}`, {
      hint: "check the passphrase; if it is right, the key is damaged: restore it from a backup",
    })
  }
}
