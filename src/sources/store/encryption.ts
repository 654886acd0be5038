import { PurserError, reasonOf } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import { decryptAge, encryptAge } from "../age-file.ts"
import { readIdentities } from "../age-identities.ts"
import type { StoreConfig } from "./config.ts"
import { StoreKey } from "./key.ts"
import { readPassphrase } from "./passphrase.ts"

export interface EncryptionOptions {
  readonly stateDir: string
  readonly config: StoreConfig
  /**
   * Asks for the passphrase of `store.key`; resolves with null if no person can be asked. The configuration's
   * `passphrase_file` is used first.
   */
  readonly askPassphrase?: (() => Promise<Secret | null>) | undefined
}

/** Encrypts and decrypts with the keys of the store: `store.key`, or the user's own recipients and identities. */
export class StoreEncryption {
  readonly key: StoreKey
  readonly #options: EncryptionOptions

  constructor(options: EncryptionOptions) {
    this.#options = options
    this.key = new StoreKey({ stateDir: options.stateDir, passphrase: () => this.#passphrase() })
  }

  /** Encrypts to the configured recipients or else to `store.key`, which is created if missing. */
  async encrypt(bytes: Uint8Array): Promise<Buffer> {
    return await encryptAge(bytes, this.#options.config.recipients ?? [await this.key.recipient()])
  }

  /** Decrypts with all identities, because a file may still be under the key before a change. Throws `ERR_STORE`. */
  async decrypt(name: string, sealed: Buffer): Promise<Buffer> {
    return await decryptBy(await this.identities(), name, sealed)
  }

  /** Returns the identities of `store.key` and the user's own. */
  async identities(): Promise<string[]> {
    return [...(await this.key.identities()), ...(await this.ownIdentities())]
  }

  /** Returns the identities of the configured identity file. */
  async ownIdentities(): Promise<string[]> {
    const { identityFile } = this.#options.config
    return identityFile === undefined ? [] : await readIdentities(identityFile)
  }

  async #passphrase(): Promise<Secret | null> {
    const { config, askPassphrase } = this.#options
    if (config.passphraseFile !== undefined) return await readPassphrase(config.passphraseFile)
    return (await askPassphrase?.()) ?? null
  }
}

/** Decrypts a file with any of these identities. Throws `ERR_STORE`. */
export async function decryptBy(
  identities: readonly string[],
  name: string,
  sealed: Buffer,
): Promise<Buffer> {
  if (identities.length === 0) {
    throw new PurserError("ERR_STORE", `there is no key for ${name}`, {
      hint: "restore store.key from a backup of the state directory",
    })
  }
  try {
    return await decryptAge(sealed, identities)
  } catch (error) {
    throw new PurserError("ERR_STORE", `${name} in the store cannot be decrypted: ${reasonOf(error)}`, {
      hint: "check --state and the store's key: they must be those with which the secret was set",
      cause: error,
    })
  }
}
