import { mkdir, readdir, rmdir, stat, unlink } from "node:fs/promises"
import { dirname, join, relative, sep } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { replaceFile } from "../../base/atomic-file.ts"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import { acquireLock } from "../../base/lock.ts"
import type { Log } from "../../base/log.ts"
import { isSecretName, parseSecretName } from "../../base/names.ts"
import { hardSecretBytes } from "../../channel/limits.ts"
import { Secret } from "../../base/secret.ts"
import { watchFiles } from "../../state/watch-files.ts"
import { readIdentities } from "../age-identities.ts"
import { ciphertextBytes, decryptAge, encryptAge, plaintextBytes } from "../age-file.ts"
import { readBounded, tooLarge } from "../bounded-read.ts"
import type { StoreConfig } from "./config.ts"
import { StoreKey } from "../store-key.ts"

/**
 * Purser's own store: `secrets/NAME.age` in the state directory, each an age file that the `age` program reads.
 * The version before the last change lies in `secrets-previous/`. Readers take no lock: every file is replaced
 * as a whole. Writers take one, so that none of them works with a key that another is replacing. The keys of
 * certificates lie in a directory of their own, encrypted alike, and a new key of the store is theirs too.
 */

/** Of the state directory. All that is encrypted to the key of the store. */
const directories = ["secrets", "ca/keys"] as const

export interface StoreOptions {
  stateDir: string
  config: StoreConfig
  /** Of one secret. */
  maxBytes: number
  /** Of `store.key`; null when nobody can be asked. The configuration's `passphrase_file` comes first. */
  askPassphrase?: (() => Promise<Secret | null>) | undefined
  /** Default: `secrets`. */
  directory?: (typeof directories)[number]
}

export interface StoredSecret {
  readonly name: string
  readonly sizeBytes: number
  readonly changed: Date
  /** Whether `--undo` has something to bring back. */
  readonly previous: boolean
}

const lockMs = 15_000
const suffix = ".age"

export class SecretStore {
  readonly #options: StoreOptions
  readonly #key: StoreKey
  readonly #directory: string
  readonly #previous: string

  constructor(options: StoreOptions) {
    this.#options = options
    const { directory = "secrets" } = options
    this.#directory = join(options.stateDir, directory)
    this.#previous = previousOf(this.#directory)
    this.#key = new StoreKey({ stateDir: options.stateDir, passphrase: () => this.#passphrase() })
  }

  /** Null when it is not there. Throws `ERR_NAME`, `ERR_STORE`, `ERR_SECRET_TOO_LARGE`. */
  async read(name: string): Promise<Secret | null> {
    const sealed = await this.#sealed(this.#file(name))
    if (sealed === null) return null
    const bytes = await this.#decrypt(name, sealed)
    if (bytes.length > this.#options.maxBytes) throw tooLarge(name, this.#options.maxBytes)
    return new Secret(bytes)
  }

  /** Sorted by name; never a content. */
  async list(): Promise<StoredSecret[]> {
    const names = await namesIn(this.#directory)
    const found = await Promise.all(
      names.map(async (name) => {
        const file = this.#file(name)
        const sealed = await this.#sealed(file)
        if (sealed === null) return []
        const { mtime } = await stat(file)
        const previous = await exists(this.#previousFile(name))
        return [{ name, sizeBytes: plaintextBytes(sealed), changed: mtime, previous }]
      }),
    )
    return found.flat()
  }

  async names(): Promise<string[]> {
    return await namesIn(this.#directory)
  }

  /** Keeps what was there for {@link undo}. */
  async set(name: string, content: Secret, signal: AbortSignal): Promise<void> {
    const file = this.#file(name)
    if (content.sizeBytes > this.#options.maxBytes) throw tooLarge(name, this.#options.maxBytes)
    using _lock = await this.#lock(signal)
    const sealed = await encryptAge(content.reveal(), await this.#recipients())
    const before = await this.#sealed(file)
    if (before !== null) await this.#write(this.#previousFile(name), before)
    await this.#write(file, sealed)
  }

  /** Exchanges the current version and the one before, so that a second call undoes the first. Throws `ERR_STORE`. */
  async undo(name: string, signal: AbortSignal): Promise<void> {
    const [file, previousFile] = [this.#file(name), this.#previousFile(name)]
    using _lock = await this.#lock(signal)
    const [current, previous] = [await this.#sealed(file), await this.#sealed(previousFile)]
    if (previous === null) {
      throw new PurserError("ERR_STORE", `there is no earlier version of ${name}`, {
        hint: "one is kept from the second `purser secret set` on, until `purser secret rm`",
      })
    }
    await this.#write(file, previous)
    if (current !== null) await this.#write(previousFile, current)
  }

  /** With its earlier version. False when there was nothing. */
  async remove(name: string, signal: AbortSignal): Promise<boolean> {
    const [file, previousFile] = [this.#file(name), this.#previousFile(name)]
    using _lock = await this.#lock(signal)
    await removeFile(previousFile, this.#previous)
    return await removeFile(file, this.#directory)
  }

  /** Null when the key is plain, or not there yet. Asks for it, and proves it. Throws `ERR_STORE`. */
  async currentPassphrase(): Promise<Secret | null> {
    return await this.#key.currentPassphrase()
  }

  /**
   * Encrypts everything anew, whichever directory this store is: to a new `store.key`, under `passphrase` unless that
   * is null, or to the configured recipients. Resolves with the number of files in its own directory, without those
   * of earlier versions. A crash half-way leaves everything readable.
   */
  async changeKey(to: { passphrase: Secret | null } | "recipients", signal: AbortSignal): Promise<number> {
    using _lock = await this.#lock(signal)
    if (to !== "recipients") {
      const old = await this.#identities()
      const { recipient, finish } = await this.#key.prepareNew(to.passphrase)
      const count = await this.#encryptAll([recipient], old, signal)
      await finish()
      return count
    }
    const own = await this.#ownIdentities()
    const count = await this.#encryptAll(
      this.#options.config.recipients ?? [],
      await this.#identities(),
      signal,
      own,
    )
    await this.#key.remove()
    return count
  }

  /** Calls back with the names of files that may have changed. */
  async watch(onChange: (name?: string) => void, log: Log): Promise<AsyncDisposable> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    return await watchFiles(
      this.#directory,
      (path) => {
        if (path.endsWith(suffix)) onChange(nameOf(relative(this.#directory, path)))
      },
      log,
    )
  }

  /** `provenBy`: identities that must be able to open what was written, before it takes the old file's place. */
  async #encryptAll(
    recipients: readonly string[],
    old: readonly string[],
    signal: AbortSignal,
    provenBy?: readonly string[],
  ): Promise<number> {
    // Files that an earlier attempt reached before it was killed are under the key that it left beside the old.
    const identities = [...old, ...(await this.#identities())]
    let count = 0
    for (const own of directories.map((directory) => join(this.#options.stateDir, directory))) {
      for (const directory of [previousOf(own), own]) {
        const names = await namesIn(directory)
        if (directory === this.#directory) count = names.length
        for (const name of names) {
          signal.throwIfAborted()
          const file = join(directory, `${name}${suffix}`)
          const sealed = await this.#sealed(file)
          if (sealed === null) continue
          const fresh = await encryptAge(await this.#decrypt(name, sealed, identities), recipients)
          if (provenBy !== undefined) await this.#decrypt(name, fresh, provenBy)
          await this.#write(file, fresh)
        }
      }
    }
    return count
  }

  async #decrypt(name: string, sealed: Buffer, identities?: readonly string[]): Promise<Buffer> {
    const keys = identities ?? (await this.#identities())
    if (keys.length === 0) {
      throw new PurserError("ERR_STORE", `there is no key for ${name}`, {
        hint: "bring back store.key from a backup of the state directory",
      })
    }
    try {
      return await decryptAge(sealed, keys)
    } catch (error) {
      throw new PurserError("ERR_STORE", `${name} in the store cannot be decrypted: ${reasonOf(error)}`, {
        hint: "is this the state directory, and the key, that it was set with?",
        cause: error,
      })
    }
  }

  /** Everything that may open a file: our own key, and the user's, which `changeKey` may not have reached yet. */
  async #identities(): Promise<string[]> {
    return [...(await this.#key.identities()), ...(await this.#ownIdentities())]
  }

  async #ownIdentities(): Promise<string[]> {
    const { identityFile } = this.#options.config
    return identityFile === undefined ? [] : await readIdentities(identityFile)
  }

  async #recipients(): Promise<readonly string[]> {
    return this.#options.config.recipients ?? [await this.#key.recipient()]
  }

  async #passphrase(): Promise<Secret | null> {
    const { config, askPassphrase } = this.#options
    if (config.passphraseFile !== undefined) return await readPassphrase(config.passphraseFile)
    return (await askPassphrase?.()) ?? null
  }

  #file(name: string): string {
    return join(this.#directory, `${parseSecretName(name)}${suffix}`)
  }

  #previousFile(name: string): string {
    return join(this.#previous, `${parseSecretName(name)}${suffix}`)
  }

  async #sealed(file: string): Promise<Buffer | null> {
    return await readBounded(file, ciphertextBytes(hardSecretBytes))
  }

  async #write(file: string, bytes: Buffer): Promise<void> {
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await replaceFile(file, bytes, { mode: 0o600 })
    } catch (error) {
      throw new PurserError("ERR_STORE", `cannot write ${file}: ${reasonOf(error)}`, { cause: error })
    }
  }

  async #lock(signal: AbortSignal): Promise<Disposable> {
    await mkdir(this.#options.stateDir, { recursive: true, mode: 0o700 })
    const end = performance.now() + lockMs
    for (;;) {
      signal.throwIfAborted()
      try {
        return acquireLock(join(this.#options.stateDir, "store.lock"), "the store of secrets")
      } catch (error) {
        if (!isPurserError(error, "ERR_LOCKED") || performance.now() > end) throw error
      }
      await delay(20 + Math.random() * 30, undefined, { signal })
    }
  }
}

/** The first line's worth: without the newline that an editor puts at the end. Throws `ERR_STORE`. */
export async function readPassphrase(file: string): Promise<Secret> {
  const bytes = await readBounded(file, 65_536)
  const text = bytes?.toString("utf8").replace(/\r?\n$/, "") ?? ""
  if (text !== "") return new Secret(text)
  throw new PurserError(
    "ERR_STORE",
    bytes === null ? `there is no passphrase file ${file}` : `the passphrase file ${file} is empty`,
  )
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
      .map((entry) => nameOf(relative(directory, join(entry.parentPath, entry.name))))
      .filter((name) => isSecretName(name))
      .toSorted()
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return []
    throw new PurserError("ERR_STORE", `cannot read ${directory}: ${reasonOf(error)}`, { cause: error })
  }
}

function previousOf(directory: string): string {
  return `${directory}-previous`
}

function nameOf(path: string): string {
  return path.slice(0, -suffix.length).split(sep).join("/")
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  )
}

/** The file, and the directories of its name that it leaves empty. */
async function removeFile(file: string, root: string): Promise<boolean> {
  try {
    await unlink(file)
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return false
    throw new PurserError("ERR_STORE", `cannot remove ${file}: ${reasonOf(error)}`, { cause: error })
  }
  try {
    for (let parent = dirname(file); parent !== root; parent = dirname(parent)) await rmdir(parent)
  } catch {
    // Not empty.
  }
  return true
}
