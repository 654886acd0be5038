import { isOpenToOthers, readRegularFile } from "../../base/read-file.ts"
import { randomBytes } from "node:crypto"
import { link, readFile, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { replaceFile } from "../../base/atomic-file.ts"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import {
  createAgeIdentity,
  decryptWithPassphrase,
  encryptWithPassphrase,
  isAgeFile,
  parseIdentities,
  recipientOf,
  type AgeIdentity,
} from "../age-file.ts"

/**
 * Holds `store.key` in the state directory: an age identity file in the form of `age -i`, plain or encrypted with a
 * passphrase. An encrypted one has `store.pub` beside it, so that writing a secret needs no passphrase.
 */

const maxKeyBytes = 65_536

export interface KeyAccess {
  stateDir: string
  /** Asks for the passphrase of an encrypted key file; resolves with null if no person can be asked. */
  passphrase: () => Promise<Secret | null>
}

export class StoreKey {
  readonly #file: string
  readonly #publicFile: string
  readonly #passphrase: KeyAccess["passphrase"]
  /** The file's content at the last opening, because unlocking takes a second and may ask a person. */
  #opened: { readonly sealed: Buffer; readonly identities: readonly AgeIdentity[] } | undefined
  #known: Secret | undefined

  constructor({ stateDir, passphrase }: KeyAccess) {
    this.#file = join(stateDir, "store.key")
    this.#publicFile = join(stateDir, "store.pub")
    this.#passphrase = passphrase
  }

  /** Returns the key's identities; empty if there is no key yet. Throws `ERR_STORE`. */
  async identities(): Promise<readonly AgeIdentity[]> {
    const sealed = await this.#read()
    if (sealed === null) return []
    if (this.#opened?.sealed.equals(sealed) !== true) {
      this.#opened = { sealed, identities: parseKeyFile(await this.#open(sealed), this.#file) }
    }
    return this.#opened.identities
  }

  /** Returns the recipient to encrypt to; creates the key if there is none. */
  async recipient(): Promise<string> {
    const sealed = (await this.#read()) ?? (await this.#create())
    if (isAgeFile(sealed)) {
      const known = await readText(this.#publicFile)
      if (known !== null) return known
    }
    const [first] = await this.identities()
    if (first === undefined) throw new PurserError("ERR_STORE", `there is no key in ${this.#file}`)
    return await recipientOf(first)
  }

  /** Returns the passphrase; null if the key has none, or does not exist yet. */
  async currentPassphrase(): Promise<Secret | null> {
    const sealed = await this.#read()
    if (sealed === null || !isAgeFile(sealed)) return null
    await this.identities()
    return this.#known ?? null
  }

  /**
   * Prepares a new key. The file then holds it and the old ones, so that a crash at any moment leaves everything
   * readable. Call `finish` once all files are encrypted to the new key: it removes the old ones.
   */
  async prepareNew(passphrase: Secret | null): Promise<{ recipient: string; finish: () => Promise<void> }> {
    const old = await this.identities()
    const { identity, recipient } = await createAgeIdentity()
    await this.#replace([identity, ...old], recipient, passphrase)
    return {
      recipient,
      finish: async () => {
        if (passphrase === null) await unlink(this.#publicFile).catch(ignoreAbsent)
        else await replaceFile(this.#publicFile, Buffer.from(`${recipient}\n`), { mode: 0o600 })
        await this.#replace([identity], recipient, passphrase)
      },
    }
  }

  /** Removes the key, once the user's own recipients have replaced it. */
  async remove(): Promise<void> {
    await unlink(this.#file).catch(ignoreAbsent)
    await unlink(this.#publicFile).catch(ignoreAbsent)
    this.#opened = undefined
  }

  async #replace(
    identities: readonly AgeIdentity[],
    recipient: string,
    passphrase: Secret | null,
  ): Promise<void> {
    const plain = identityFile(identities, recipient)
    const text = passphrase === null ? plain : await encryptWithPassphrase(plain, passphrase.revealText())
    const sealed = Buffer.from(text)
    await replaceFile(this.#file, sealed, { mode: 0o600 })
    this.#opened = { sealed, identities }
    if (passphrase !== null) this.#known = passphrase
  }

  async #open(sealed: Buffer): Promise<string> {
    if (!isAgeFile(sealed)) return sealed.toString("utf8")
    const known = this.#known
    if (known !== undefined) {
      const text = await decryptWithPassphrase(sealed, known.revealText()).catch(() => null)
      if (text !== null) return text.toString("utf8")
    }
    const passphrase = await this.#passphrase()
    if (passphrase === null) {
      throw new PurserError("ERR_STORE", `the store's key ${this.#file} has a passphrase`, {
        hint: "run the command in a terminal, or give a passphrase file by --passphrase-file, PURSER_PASSPHRASE_FILE or store.passphrase_file",
      })
    }
    try {
      const text = await decryptWithPassphrase(sealed, passphrase.revealText())
      this.#known = passphrase
      return text.toString("utf8")
    } catch (error) {
      throw new PurserError("ERR_STORE", `the passphrase does not open ${this.#file}`, { cause: error })
    }
  }

  async #read(): Promise<Buffer | null> {
    try {
      const result = await readRegularFile(this.#file, maxKeyBytes)
      if (result.kind === "absent") return null
      if (result.kind !== "read") {
        throw new PurserError("ERR_STORE", `${this.#file} is not an age identity file`)
      }
      if (isOpenToOthers(result.mode)) {
        throw new PurserError("ERR_STORE", `the store's key ${this.#file} can be read or written by others`, {
          hint: `chmod 600 ${this.#file}; if others may have read it, run \`purser secret key\` for a new one`,
        })
      }
      return result.bytes
    } catch (error) {
      if (isPurserError(error)) throw error
      throw new PurserError("ERR_STORE", `cannot read ${this.#file}: ${reasonOf(error)}`, { cause: error })
    }
  }

  /** Creates the first key. If several processes do so at once, one wins and all use its key. */
  async #create(): Promise<Buffer> {
    const { identity, recipient } = await createAgeIdentity()
    const temporary = `${this.#file}.${randomBytes(6).toString("hex")}.tmp`
    try {
      await writeFile(temporary, identityFile([identity], recipient), {
        mode: 0o600,
        flag: "wx",
        flush: true,
      })
      try {
        await link(temporary, this.#file)
      } finally {
        await unlink(temporary)
      }
    } catch (error) {
      if (systemErrorCode(error) !== "EEXIST") {
        throw new PurserError("ERR_STORE", `cannot create ${this.#file}: ${reasonOf(error)}`, {
          cause: error,
        })
      }
    }
    const sealed = await this.#read()
    if (sealed === null) throw new PurserError("ERR_STORE", `${this.#file} was removed`)
    return sealed
  }
}

function identityFile(identities: readonly AgeIdentity[], recipient: string): string {
  const head = `# created: ${new Date().toISOString()}\n# public key: ${recipient}\n`
  return `${head}${identities.join("\n")}\n`
}

function parseKeyFile(text: string, file: string): AgeIdentity[] {
  try {
    return parseIdentities(text, file)
  } catch (error) {
    throw new PurserError("ERR_STORE", reasonOf(error), { cause: error })
  }
}

async function readText(file: string): Promise<string | null> {
  try {
    return (await readFile(file, "utf8")).trim()
  } catch (error) {
    ignoreAbsent(error)
    return null
  }
}

function ignoreAbsent(error: unknown): void {
  if (systemErrorCode(error) !== "ENOENT") throw error
}
