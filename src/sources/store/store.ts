import { PurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { parseSecretName } from "../../base/names.ts"
import { Secret } from "../../base/secret.ts"
import { plaintextBytes } from "../age-file.ts"
import { tooLarge } from "../bounded-read.ts"
import { changeKey, type NewKey } from "./change-key.ts"
import { storedFiles, type StoreDirectory } from "./directories.ts"
import { StoreEncryption, type EncryptionOptions } from "./encryption.ts"
import { lockStore } from "./lock.ts"
import type { SealedFiles } from "./sealed-files.ts"

/**
 * Purser's own store: `secrets/NAME.age` in the state directory, each an age file that the `age` program reads. The
 * previous version is in `secrets-previous/`. Readers take no lock, because every file is replaced as a whole. Writers
 * take one, so that none uses a key that another is replacing. The keys of certificates are in a directory of their own
 * under the same encryption, and a key change covers them too.
 */

export interface StoreOptions extends EncryptionOptions {
  /** The size limit of one secret in bytes. */
  readonly maxBytes: number
  /** Default: `secrets`. */
  readonly directory?: StoreDirectory
}

export interface StoredSecret {
  readonly name: string
  readonly sizeBytes: number
  readonly changed: Date
  /** Whether there is a previous version for `--undo`. */
  readonly previous: boolean
}

export class SecretStore {
  readonly #options: StoreOptions
  readonly #directory: StoreDirectory
  readonly #current: SealedFiles
  readonly #previous: SealedFiles
  readonly #encryption: StoreEncryption

  constructor(options: StoreOptions) {
    this.#options = options
    this.#directory = options.directory ?? "secrets"
    const { current, previous } = storedFiles(options.stateDir, this.#directory)
    this.#current = current
    this.#previous = previous
    this.#encryption = new StoreEncryption(options)
  }

  /** Returns a secret, or null if there is none. Throws `ERR_NAME`, `ERR_STORE`, `ERR_SECRET_TOO_LARGE`. */
  async read(name: string): Promise<Secret | null> {
    const sealed = await this.#current.read(name)
    if (sealed === null) return null
    const bytes = await this.#encryption.decrypt(name, sealed)
    if (bytes.length > this.#options.maxBytes) throw tooLarge(name, this.#options.maxBytes)
    return new Secret(bytes)
  }

  /** Lists the secrets, sorted by name, without their content. */
  async list(): Promise<StoredSecret[]> {
    const found = await Promise.all(
      (await this.#current.names()).map(async (name) => {
        const [sealed, changed] = [await this.#current.read(name), await this.#current.changedAt(name)]
        if (sealed === null || changed === null) return []
        const previous = (await this.#previous.changedAt(name)) !== null
        return [{ name, sizeBytes: plaintextBytes(sealed), changed, previous }]
      }),
    )
    return found.flat()
  }

  async names(): Promise<string[]> {
    return await this.#current.names()
  }

  /** Sets a secret, and keeps its previous version for {@link undo}. */
  async set(name: string, content: Secret, signal: AbortSignal): Promise<void> {
    parseSecretName(name)
    if (content.sizeBytes > this.#options.maxBytes) throw tooLarge(name, this.#options.maxBytes)
    using _lock = await this.#lock(signal)
    const sealed = await this.#encryption.encrypt(content.reveal())
    const before = await this.#current.read(name)
    if (before !== null) await this.#previous.write(name, before)
    await this.#current.write(name, sealed)
  }

  /** Exchanges the current and the previous version, so that a second call undoes the first. Throws `ERR_STORE`. */
  async undo(name: string, signal: AbortSignal): Promise<void> {
    parseSecretName(name)
    using _lock = await this.#lock(signal)
    const [current, previous] = [await this.#current.read(name), await this.#previous.read(name)]
    if (previous === null) {
      throw new PurserError("ERR_STORE", `there is no previous version of ${name}`, {
        hint: "the second `purser secret set` keeps the first version, until `purser secret rm`",
      })
    }
    await this.#current.write(name, previous)
    if (current !== null) await this.#previous.write(name, current)
  }

  /** Removes a secret and its previous version. Returns false if there was no such secret. */
  async remove(name: string, signal: AbortSignal): Promise<boolean> {
    parseSecretName(name)
    using _lock = await this.#lock(signal)
    await this.#previous.remove(name)
    return await this.#current.remove(name)
  }

  /**
   * Returns the verified passphrase of `store.key`, asking for it; null if the key has none, or does not exist yet.
   * Throws `ERR_STORE`.
   */
  async currentPassphrase(): Promise<Secret | null> {
    return await this.#encryption.key.currentPassphrase()
  }

  /**
   * Re-encrypts all directories of the store. Resolves with the number of current files in this store's own directory.
   * After a crash half-way every file is still readable.
   */
  async changeKey(to: NewKey, signal: AbortSignal): Promise<number> {
    using _lock = await this.#lock(signal)
    const { stateDir, config } = this.#options
    const counts = await changeKey({ stateDir, config, encryption: this.#encryption }, to, signal)
    return counts.get(this.#directory) ?? 0
  }

  /** Calls back with the names of secrets that may have changed. */
  async watch(onChange: (name: string) => void, log: Log): Promise<AsyncDisposable> {
    return await this.#current.watch(onChange, log)
  }

  async #lock(signal: AbortSignal): Promise<Disposable> {
    return await lockStore(this.#options.stateDir, signal)
  }
}
