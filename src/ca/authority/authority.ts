import type { KeyObject, X509Certificate } from "node:crypto"
import { pem } from "../../x509/der.ts"
import { PurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Secret } from "../../base/secret.ts"
import type { CaConfig } from "../config.ts"
import { generateKey, sealKey } from "../keys.ts"
import { lockCa } from "../lock.ts"
import { AuthorityFiles, type StoredIntermediate } from "./files.ts"
import { makeIntermediate, makeRoot, makeRootCrl, type Signer } from "./make.ts"
import { openRootKey, writeRootKey } from "./root-key.ts"
import { Signers } from "./signers.ts"

/**
 * The root and the intermediate that signs: their certificates, their keys, and who may open them. The root's key is
 * needed for a new intermediate alone, and may be somewhere else all the time.
 */

export interface AuthorityOptions {
  /** `ca/` of the state directory. */
  directory: string
  config: CaConfig
  passphrase: (of: "root" | "intermediate", purpose: "new" | "open") => Promise<Secret | null>
  rootKeyFile?: string | undefined
  log: Log
  now: () => Date
  step: (name: string) => void
}

export class Authority {
  readonly #options: AuthorityOptions
  readonly #files: AuthorityFiles
  readonly #signers: Signers

  constructor(options: AuthorityOptions) {
    this.#options = options
    this.#files = new AuthorityFiles(options.directory, options.step)
    this.#signers = new Signers(this.#files)
  }

  async exists(): Promise<boolean> {
    await this.#files.settle()
    return (await this.#files.text("intermediate.crt")) !== null
  }

  /** Throws `ERR_CA` where there is one, or a part of one. */
  async init(signal: AbortSignal): Promise<{ root: X509Certificate; intermediate: X509Certificate }> {
    const { config, now, rootKeyFile } = this.#options
    await this.#files.settle()
    await this.#files.refuseSecond()
    const rootPassphrase = await this.#passphrase("root", "new")
    const passphrase = await this.#passphrase("intermediate", "new")
    let rootKey: KeyObject | undefined = await generateKey(config.keys.root)
    const root = makeRoot(config, now(), rootKey)
    const sealedRoot = await sealKey(rootKey, rootPassphrase)
    const made = await makeIntermediate(config, now(), { root, rootKey, passphrase })
    const rootCrl = makeRootCrl({ root, rootKey, signer: made.signer }, [], now())
    rootKey = undefined

    using _lock = await lockCa(this.#files.directory, signal)
    await this.#files.finishPending()
    await this.#files.refuseSecond()
    signal.throwIfAborted()
    const files = new Map([...made.files, ["root.crt", pem("CERTIFICATE", root.raw)], ["root.crl", rootCrl]])
    if (rootKeyFile === undefined) files.set("root.key", sealedRoot)
    else await writeRootKey(rootKeyFile, sealedRoot)
    await this.#files.replace(files)
    this.#signers.setCurrent(made.signer, passphrase)
    return { root, intermediate: made.signer.certificate }
  }

  /**
   * `revoke`: the root takes the previous intermediate back, and with it all that it issued. Throws `ERR_CA` when the
   * root's key is not there, or is another root's.
   */
  async renewIntermediate({ revoke }: { revoke: boolean }, signal: AbortSignal): Promise<X509Certificate> {
    const { config, now, rootKeyFile, log } = this.#options
    await this.#files.settle()
    const root = await this.#files.root()
    let rootKey: KeyObject | undefined = await openRootKey(
      { files: this.#files, rootKeyFile, log },
      root,
      () => this.#passphrase("root", "open"),
    )
    const passphrase = await this.#passphrase("intermediate", "new")
    const { files, signer } = await makeIntermediate(config, now(), { root, rootKey, passphrase })

    using _lock = await lockCa(this.#files.directory, signal)
    await this.#files.finishPending()
    signal.throwIfAborted()
    const revoked = await this.#files.revokedIntermediates()
    const { serial: previous } = await this.#files.intermediate()
    if (revoke) {
      revoked.push({ serial: previous, at: now() })
      files.set(`intermediates/${previous}.revoked`, `${now().toISOString()}\n`)
    }
    files.set("root.crl", makeRootCrl({ root, rootKey, signer }, revoked, now()))
    rootKey = undefined
    // Certificates of the previous one may still have to be revoked, which takes its key.
    const previousKey = await this.#files.text("intermediate.key")
    if (previousKey !== null) files.set(`intermediates/${previous}.key`, previousKey)
    await this.#files.replace(files)
    this.#signers.setCurrent(signer, passphrase)
    return signer.certificate
  }

  /** The one that signs now, its key opened. Throws `ERR_CA`, `ERR_PASSPHRASE`, `ERR_CLOCK`. */
  async signer(): Promise<Signer> {
    await this.#files.settle()
    const signer = await this.#signers.current(() => this.#passphrase("intermediate", "open"))
    checkClock(signer.certificate, this.#options.now())
    return signer
  }

  /** When the one that signs now ends; null where there is none. */
  async ends(): Promise<Date | null> {
    if (!(await this.exists())) return null
    return (await this.#files.intermediate()).certificate.validToDate
  }

  /** Whether it still is the one that signs. The caller holds the lock. */
  async isCurrent(signer: Signer): Promise<boolean> {
    await this.#files.finishPending()
    return (await this.#files.intermediatePem()) === signer.pem
  }

  /**
   * An intermediate that signed before, of which there is the key. It signs its own CRL, because programs look for the
   * CRL of the CA that issued. Null when its key was taken away, or is under another passphrase than the current one's.
   */
  async previousSigner(serial: string): Promise<Signer | null> {
    return await this.#signers.previous(serial)
  }

  async root(): Promise<X509Certificate> {
    await this.#files.settle()
    return await this.#files.root()
  }

  async rootPem(): Promise<string> {
    await this.#files.settle()
    return await this.#files.rootPem()
  }

  /** All that there were, the current one too, with those that have expired. */
  async intermediates(): Promise<StoredIntermediate[]> {
    await this.#files.settle()
    return await this.#files.intermediates()
  }

  /** PEM: the root, and every intermediate that has neither expired nor was taken back. Throws `ERR_CA`. */
  async bundle(): Promise<string> {
    const root = await this.rootPem()
    const now = this.#options.now()
    const revoked = new Set((await this.#files.revokedIntermediates()).map(({ serial }) => serial))
    const live = (await this.intermediates()).filter(
      ({ certificate, serial }) => now <= certificate.validToDate && !revoked.has(serial),
    )
    return [root, ...live.map(({ pem: text }) => text)].join("")
  }

  /** DER, signed when the intermediate was made. */
  async rootCrl(): Promise<Buffer> {
    return await this.#files.rootCrl()
  }

  /** Forgets the keys. */
  close(): void {
    this.#signers.close()
  }

  async #passphrase(of: "root" | "intermediate", purpose: "new" | "open"): Promise<Secret> {
    const passphrase = await this.#options.passphrase(of, purpose)
    if (passphrase !== null && passphrase.sizeBytes > 0) return passphrase
    throw new PurserError("ERR_PASSPHRASE", `there is no passphrase for the ${of}'s key`, {
      hint: "on a terminal it is asked for; else name a file that holds it: --passphrase-file, or ca.passphrase_file",
    })
  }
}

/** Throws `ERR_CLOCK` before the certificate's start, and `ERR_CA` after its end. */
function checkClock(certificate: X509Certificate, now: Date): void {
  if (now < certificate.validFromDate) {
    throw new PurserError(
      "ERR_CLOCK",
      `it is ${now.toISOString()} here, before the CA's start at ${certificate.validFromDate.toISOString()}`,
      { hint: "set the clock of this machine" },
    )
  }
  if (now > certificate.validToDate) {
    throw new PurserError("ERR_CA", `the intermediate ended at ${certificate.validToDate.toISOString()}`, {
      hint: "purser ca intermediate makes a new one, with the root's key",
    })
  }
}
