import { PurserError } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import { readPrivate, readText } from "../files.ts"
import { openKey } from "../keys.ts"
import { storedIntermediate, type AuthorityFiles, type StoredIntermediate } from "./files.ts"
import type { Signer } from "./make.ts"

/** Opens the keys of intermediates and keeps them in memory, so that nobody is asked twice. */
export class Signers {
  readonly #files: AuthorityFiles
  #current: Signer | undefined
  /** Opened the current one's key; those of previous ones are tried with it. */
  #passphrase: Secret | undefined
  readonly #previous = new Map<string, Signer>()

  constructor(files: AuthorityFiles) {
    this.#files = files
  }

  /** The one that signs now. Throws `ERR_CA`, `ERR_PASSPHRASE`. */
  async current(passphrase: () => Promise<Secret>): Promise<Signer> {
    const pem = await this.#files.intermediatePem()
    // Another process may have made a new one.
    if (this.#current?.pem === pem) return this.#current
    this.#current = undefined
    const intermediate = storedIntermediate(pem, this.#files.path("intermediate.crt"))
    const known = await passphrase()
    this.#current = await this.#open(intermediate, this.#files.path("intermediate.key"), known)
    this.#passphrase = known
    return this.#current
  }

  /** An intermediate was made, and its key sealed under this passphrase. */
  setCurrent(signer: Signer, passphrase: Secret): void {
    this.#current = signer
    this.#passphrase = passphrase
  }

  /** Null when its key was taken away, or is under another passphrase than the current one's. */
  async previous(serial: string): Promise<Signer | null> {
    const known = this.#previous.get(serial)
    if (known !== undefined) return known
    const file = this.#files.path(`intermediates/${serial}.key`)
    const pem = await readText(this.#files.path(`intermediates/${serial}.crt`))
    if (pem === null || (await readPrivate(file)) === null) return null
    const passphrase = this.#passphrase
    if (passphrase === undefined) return null
    const intermediate = storedIntermediate(pem, `${serial}.crt`)
    const signer = await this.#open(intermediate, file, passphrase).catch(() => null)
    if (signer !== null) this.#previous.set(serial, signer)
    return signer
  }

  /** Forgets the keys. */
  close(): void {
    this.#current = undefined
    this.#passphrase = undefined
    this.#previous.clear()
  }

  async #open(intermediate: StoredIntermediate, file: string, passphrase: Secret): Promise<Signer> {
    const sealed = await readPrivate(file)
    if (sealed === null) throw this.#files.lost("intermediate.key")
    const key = await openKey(sealed, passphrase, `the intermediate's key ${file}`)
    if (intermediate.certificate.checkPrivateKey(key)) return { ...intermediate, key }
    throw new PurserError("ERR_CA", `the key ${file} is not that of its certificate`, {
      hint: "bring both back from the same backup, or make new ones: purser ca intermediate",
    })
  }
}
