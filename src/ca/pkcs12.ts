import {
  createCipheriv,
  createHash,
  createHmac,
  pbkdf2,
  randomBytes,
  X509Certificate,
  type KeyObject,
} from "node:crypto"
import { promisify } from "node:util"
import * as der from "../x509/der.ts"
import type { Secret } from "../base/secret.ts"

/**
 * Writes PKCS#12 files (RFC 7292): a key with its chain, or trusted certificates. It uses our DER writer, because pkijs
 * supports neither the ciphers of old importers nor Java's attribute for trusted certificates.
 */

export interface Pkcs12Options {
  readonly key: KeyObject
  /** DER, the leaf first. */
  readonly certificates: readonly Buffer[]
  /** Name that importers show. */
  readonly friendlyName: string
  readonly password: Secret
  /** Use 3DES and SHA-1, for importers that do not support AES. */
  readonly legacy: boolean
}

export interface TrustStoreOptions {
  /** DER. */
  readonly certificates: readonly { readonly alias: string; readonly certificate: Buffer }[]
  readonly password: Secret
  readonly legacy: boolean
}

const iterations = { modern: 100_000, legacy: 2048 }
const oids = {
  data: "1.2.840.113549.1.7.1",
  encryptedData: "1.2.840.113549.1.7.6",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certBag: "1.2.840.113549.1.12.10.1.3",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
  /** Oracle's attribute: a JVM trusts only certificates that have it, and takes others for parts of a chain. */
  trustedKeyUsage: "2.16.840.1.113894.746875.1.1",
  anyExtendedKeyUsage: "2.5.29.37.0",
  pbes2: "1.2.840.113549.1.5.13",
  pbkdf2: "1.2.840.113549.1.5.12",
  hmacWithSha256: "1.2.840.113549.2.9",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
  pbeSha1TripleDes: "1.2.840.113549.1.12.1.3",
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
} as const

/** Writes a key with its chain; DER. Throws a `TypeError` without certificates. */
export async function writePkcs12(options: Pkcs12Options): Promise<Buffer> {
  const { key, certificates, friendlyName, password, legacy } = options
  const [leaf] = certificates
  if (leaf === undefined) throw new TypeError("a key needs its certificate")
  const id = createHash("sha1").update(leaf).digest()
  const ofLeaf = [bmpAttribute(friendlyName), attribute(oids.localKeyId, der.octetString(id))]
  const bags = certificates.map((one, index) => certificateBag(one, index === 0 ? ofLeaf : []))
  const plain = key.export({ type: "pkcs8", format: "der" })
  const shrouded = bag(oids.shroudedKeyBag, await encrypted(plain, password, legacy), ofLeaf)
  plain.fill(0)
  const contents = [await encryptedContent(bags, password, legacy), plainContent([shrouded])]
  return await wholeOf(contents, password, legacy)
}

/** Writes trusted certificates; DER, for a JVM's `-Djavax.net.ssl.trustStore`. */
export async function writeTrustStore({
  certificates,
  password,
  legacy,
}: TrustStoreOptions): Promise<Buffer> {
  const trusted = attribute(oids.trustedKeyUsage, der.oid(oids.anyExtendedKeyUsage))
  const bags = certificates.map(({ alias, certificate }) =>
    certificateBag(certificate, [bmpAttribute(alias), trusted]),
  )
  return await wholeOf([await encryptedContent(bags, password, legacy)], password, legacy)
}

async function wholeOf(contents: readonly Buffer[], password: Secret, legacy: boolean): Promise<Buffer> {
  const safe = der.sequence(...contents)
  const salt = randomBytes(16)
  const rounds = legacy ? iterations.legacy : iterations.modern
  const hash = legacy ? "sha1" : "sha256"
  const key = derived(hash, 3, bmpPassword(password), salt, rounds, legacy ? 20 : 32)
  const digest = createHmac(hash, key).update(safe).digest()
  const digestInfo = der.sequence(der.sequence(der.oid(oids[hash]), der.nothing()), der.octetString(digest))
  const mac = der.sequence(digestInfo, der.octetString(salt), der.integer(rounds))
  const content = der.sequence(der.oid(oids.data), der.contextTag(0, der.octetString(safe)))
  return der.sequence(der.integer(3), content, mac)
}

function plainContent(bags: readonly Buffer[]): Buffer {
  return der.sequence(der.oid(oids.data), der.contextTag(0, der.octetString(der.sequence(...bags))))
}

async function encryptedContent(bags: readonly Buffer[], password: Secret, legacy: boolean): Promise<Buffer> {
  const { algorithm, bytes } = await cipherOf(der.sequence(...bags), password, legacy)
  const info = der.sequence(der.oid(oids.data), algorithm, der.contextPrimitive(0, bytes))
  return der.sequence(der.oid(oids.encryptedData), der.contextTag(0, der.sequence(der.integer(0), info)))
}

/** Returns an EncryptedPrivateKeyInfo (RFC 5958 section 3). */
async function encrypted(plain: Buffer, password: Secret, legacy: boolean): Promise<Buffer> {
  const { algorithm, bytes } = await cipherOf(plain, password, legacy)
  return der.sequence(algorithm, der.octetString(bytes))
}

async function cipherOf(
  plain: Buffer,
  password: Secret,
  legacy: boolean,
): Promise<{ algorithm: Buffer; bytes: Buffer }> {
  const salt = randomBytes(16)
  const finish = (cipher: ReturnType<typeof createCipheriv>): Buffer =>
    Buffer.concat([cipher.update(plain), cipher.final()])
  if (legacy) {
    const text = bmpPassword(password)
    const key = derived("sha1", 1, text, salt, iterations.legacy, 24)
    const iv = derived("sha1", 2, text, salt, iterations.legacy, 8)
    const parameters = der.sequence(der.octetString(salt), der.integer(iterations.legacy))
    const algorithm = der.sequence(der.oid(oids.pbeSha1TripleDes), parameters)
    return { algorithm, bytes: finish(createCipheriv("des-ede3-cbc", key, iv)) }
  }
  const iv = randomBytes(16)
  const key = await promisify(pbkdf2)(password.reveal(), salt, iterations.modern, 32, "sha256")
  const derivation = der.sequence(
    der.oid(oids.pbkdf2),
    der.sequence(
      der.octetString(salt),
      der.integer(iterations.modern),
      der.sequence(der.oid(oids.hmacWithSha256), der.nothing()),
    ),
  )
  const encryption = der.sequence(der.oid(oids.aes256Cbc), der.octetString(iv))
  const algorithm = der.sequence(der.oid(oids.pbes2), der.sequence(derivation, encryption))
  return { algorithm, bytes: finish(createCipheriv("aes-256-cbc", key, iv)) }
}

function certificateBag(certificate: Buffer, attributes: readonly Buffer[]): Buffer {
  // Throws for anything but a certificate, which importers would reject without a useful message.
  const { raw } = new X509Certificate(certificate)
  const value = der.sequence(der.oid(oids.x509Certificate), der.contextTag(0, der.octetString(raw)))
  return bag(oids.certBag, value, attributes)
}

function bag(type: string, value: Buffer, attributes: readonly Buffer[]): Buffer {
  const set = attributes.length === 0 ? [] : [der.set(...attributes)]
  return der.sequence(der.oid(type), der.contextTag(0, value), ...set)
}

function attribute(type: string, value: Buffer): Buffer {
  return der.sequence(der.oid(type), der.set(value))
}

function bmpAttribute(text: string): Buffer {
  return attribute(oids.friendlyName, der.bmp(text))
}

/** The password as big-endian UTF-16 with two zero bytes at the end (RFC 7292 appendix B.1). */
function bmpPassword(password: Secret): Buffer {
  return Buffer.concat([Buffer.from(password.revealText(), "utf16le").swap16(), Buffer.alloc(2)])
}

/** Derives `length` bytes (RFC 7292 appendix B.2). `purpose`: 1 a key, 2 an IV, 3 a MAC key. */
function derived(
  hash: "sha1" | "sha256",
  purpose: 1 | 2 | 3,
  password: Buffer,
  salt: Buffer,
  rounds: number,
  length: number,
): Buffer {
  const block = 64
  const filled = (bytes: Buffer): Buffer => Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
  const input = Buffer.concat([filled(salt), filled(password)])
  const diversifier = Buffer.alloc(block, purpose)
  const parts: Buffer[] = []
  for (let done = 0; done < length;) {
    let digest: Buffer = createHash(hash).update(diversifier).update(input).digest()
    for (let round = 1; round < rounds; round++) digest = createHash(hash).update(digest).digest()
    parts.push(digest)
    done += digest.length
    addToBlocks(input, Buffer.alloc(block, digest), block)
  }
  return Buffer.concat(parts).subarray(0, length)
}

/** Adds `added` and 1 to each block of `input`, taken as big-endian numbers modulo the block size. */
function addToBlocks(input: Buffer, added: Buffer, block: number): void {
  for (let start = 0; start < input.length; start += block) {
    let carry = 1
    for (let index = block - 1; index >= 0; index--) {
      carry += (input[start + index] ?? 0) + (added[index] ?? 0)
      input[start + index] = carry & 0xff
      carry >>= 8
    }
  }
}
