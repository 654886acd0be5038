import { isOpenToOthers, readRegularFile } from "../base/read-file.ts"
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
} from "node:crypto"
import { link, open, unlink, type FileHandle } from "node:fs/promises"
import { inspect } from "node:util"
import { pem } from "../x509/der.ts"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { selfSigned } from "../x509/self-signed.ts"
import { pinOfHash, type Pin } from "./pin.ts"

/** A P-256 key with a self-signed certificate. Printing or serialising it never shows the key. */
export interface Identity {
  /** The private key as PKCS#8 in PEM; secret. */
  readonly keyPem: string
  readonly certificatePem: string
  /** 32 bytes. */
  readonly spkiSha256: Buffer
  readonly pin: Pin
}

const longestFile = 65_536

class KeyPair implements Identity {
  readonly #keyPem: string
  readonly certificatePem: string
  readonly spkiSha256: Buffer
  readonly pin: Pin

  constructor(keyPem: string, certificatePem: string) {
    this.#keyPem = keyPem
    this.certificatePem = certificatePem
    const spki = createPublicKey(certificatePem).export({ type: "spki", format: "der" })
    this.spkiSha256 = createHash("sha256").update(spki).digest()
    this.pin = pinOfHash(this.spkiSha256)
  }

  get keyPem(): string {
    return this.#keyPem
  }

  [inspect.custom](): string {
    return `Identity { ${this.pin} }`
  }
}

/** Creates a new identity. */
export function createIdentity(): Identity {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  return new KeyPair(keyPem, pem("CERTIFICATE", selfSigned(privateKey)))
}

/** Loads an identity file. Throws `ERR_IDENTITY` if it is absent, damaged, or can be read by others. */
export async function loadIdentity(file: string): Promise<Identity> {
  return parse(file, await read(file))
}

/**
 * Loads the file, or creates it with mode 0600. If several processes create it at the same time, one wins and all get
 * its key. Throws `ERR_IDENTITY`.
 */
export async function loadOrCreateIdentity(file: string): Promise<Identity> {
  try {
    return await loadIdentity(file)
  } catch (error) {
    if (!isPurserError(error, "ERR_IDENTITY") || systemErrorCode(error.cause) !== "ENOENT") throw error
  }
  const identity = createIdentity()
  if (await create(file, `${identity.keyPem}${identity.certificatePem}`)) return identity
  return await loadIdentity(file)
}

async function read(file: string): Promise<string> {
  try {
    const result = await readRegularFile(file, longestFile)
    if (result.kind === "absent") throw result.error
    if (result.kind === "not-regular")
      throw new PurserError("ERR_IDENTITY", `the identity ${file} is not a regular file`)
    if (result.kind === "too-large") throw damaged(file, "it is too large")
    if (result.kind === "changing") throw damaged(file, "another process is writing to it")
    if (isOpenToOthers(result.mode)) {
      throw new PurserError("ERR_IDENTITY", `the identity ${file} can be read or written by others`, {
        hint: `run chmod 600 ${file}; if others may have read it, delete it and enrol again`,
      })
    }
    return result.bytes.toString("utf8")
  } catch (error) {
    if (isPurserError(error)) throw error
    throw new PurserError("ERR_IDENTITY", `the identity ${file} cannot be read: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

function parse(file: string, text: string): Identity {
  const keyPem = /^-----BEGIN PRIVATE KEY-----\r?\n[^-]+-----END PRIVATE KEY-----$/m.exec(text)?.[0]
  const certificatePem = /^-----BEGIN CERTIFICATE-----\r?\n[^-]+-----END CERTIFICATE-----$/m.exec(text)?.[0]
  if (keyPem === undefined) throw damaged(file, "it holds no private key")
  if (certificatePem === undefined) throw damaged(file, "it holds no certificate")
  let fits: boolean
  try {
    const key = createPrivateKey(keyPem)
    const isP256 = key.asymmetricKeyDetails?.namedCurve === "prime256v1"
    if (!isP256) throw damaged(file, "its key is not a P-256 key")
    fits = new X509Certificate(certificatePem).checkPrivateKey(key)
  } catch (error) {
    throw isPurserError(error) ? error : damaged(file, "its key or certificate cannot be read", error)
  }
  if (!fits) throw damaged(file, "its certificate belongs to another key")
  return new KeyPair(keyPem, certificatePem)
}

function damaged(file: string, why: string, cause?: unknown): PurserError {
  return new PurserError("ERR_IDENTITY", `the identity ${file} is damaged: ${why}`, {
    hint: "restore it from a backup, or delete it and enrol again, because a new identity has a new pin",
    cause,
  })
}

/**
 * Creates the file atomically: writes it under a temporary name, then links that to `file`, which fails if `file`
 * exists, even as a symbolic link. Returns false if another process created it first.
 */
async function create(file: string, text: string): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`
  try {
    await writeNew(temporary, text)
    try {
      await link(temporary, file)
      return true
    } catch (error) {
      const code = systemErrorCode(error)
      if (code === "EEXIST") return false
      // Some file systems have no hard links. A crash may then leave an incomplete file, which is reported as damaged.
      if (code !== "EPERM" && code !== "ENOSYS" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error
      await writeNew(file, text)
      return true
    } finally {
      await unlink(temporary)
    }
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return false
    throw new PurserError("ERR_IDENTITY", `the identity ${file} cannot be created: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

async function writeNew(file: string, text: string): Promise<void> {
  await using handle: FileHandle = await open(file, "wx", 0o600)
  await handle.writeFile(text)
  await handle.sync()
}
