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
  /** Asks for that of `store.key`; null when nobody can be asked. The configuration's `passphrase_file` comes first. */
  readonly askPassphrase?: (() => Promise<Secret | null>) | undefined
}

/** The keys of the store: `store.key`, or the user's own recipients and the identities that open what they open. */
export class StoreEncryption {
  readonly key: StoreKey
  readonly #options: EncryptionOptions

  constructor(options: EncryptionOptions) {
    this.#options = options
    this.key = new StoreKey({ stateDir: options.stateDir, passphrase: () => this.#passphrase() })
  }

  /** To the configured recipients, else to `store.key`, which is made when there is none. */
  async encrypt(bytes: Uint8Array): Promise<Buffer> {
    return await encryptAge(bytes, this.#options.config.recipients ?? [await this.key.recipient()])
  }

  /** By all that may open it: a change of keys may not have reached it yet. Throws `ERR_STORE`. */
  async decrypt(name: string, sealed: Buffer): Promise<Buffer> {
    return await decryptBy(await this.identities(), name, sealed)
  }

  /** Our own key's, and the user's. */
  async identities(): Promise<string[]> {
    return [...(await this.key.identities()), ...(await this.ownIdentities())]
  }

  /** The user's. */
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

/** Throws `ERR_STORE`. */
export async function decryptBy(
  identities: readonly string[],
  name: string,
  sealed: Buffer,
): Promise<Buffer> {
  if (identities.length === 0) {
    throw new PurserError("ERR_STORE", `there is no key for ${name}`, {
      hint: "bring back store.key from a backup of the state directory",
    })
  }
  try {
    return await decryptAge(sealed, identities)
  } catch (error) {
    throw new PurserError("ERR_STORE", `${name} in the store cannot be decrypted: ${reasonOf(error)}`, {
      hint: "is this the state directory, and the key, that it was set with?",
      cause: error,
    })
  }
}
