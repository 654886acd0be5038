import { PurserError } from "../../base/errors.ts"
import type { Secret } from "../../base/secret.ts"
import { readPrivate, readText } from "../files.ts"
import { openKey } from "../keys.ts"
import { storedIntermediate, type AuthorityFiles, type StoredIntermediate } from "./files.ts"
import type { Signer } from "./make.ts"

/** Opens the keys of intermediates and keeps them in memory, so that the passphrase is asked for only once. */
export class Signers {
  readonly #files: AuthorityFiles
  #current: Signer | undefined
  /** Passphrase of the current intermediate's key; keys of previous intermediates are tried with it. */
  #passphrase: Secret | undefined
  readonly #previous = new Map<string, Signer>()

  constructor(files: AuthorityFiles) {
    this.#files = files
  }

  /** The current intermediate. Throws `ERR_CA`, `ERR_PASSPHRASE`. */
  async current(passphrase: () => Promise<Secret>): Promise<Signer> {
    const pem = await this.#files.intermediatePem()
    // The comparison finds a new intermediate of another process.
    if (this.#current?.pem === pem) return this.#current
    this.#current = undefined
    const intermediate = storedIntermediate(pem, this.#files.path("intermediate.crt"))
    const known = await passphrase()
    this.#current = await this.#open(intermediate, this.#files.path("intermediate.key"), known)
    this.#passphrase = known
    return this.#current
  }

  /** Takes a new intermediate, whose key is encrypted under this passphrase, as the current one. */
  setCurrent(signer: Signer, passphrase: Secret): void {
    this.#current = signer
    this.#passphrase = passphrase
  }

  /** A previous intermediate; null if its key is missing or has another passphrase than the current one. */
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
    throw new PurserError("ERR_CA", `the key ${file} does not match its certificate`, {
      hint: "restore both from the same backup, or make a new intermediate: purser ca intermediate",
    })
  }
}
