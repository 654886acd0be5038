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
 * The root and the intermediates: makes them, and opens their keys with a passphrase. The root's key is used only to
 * make an intermediate, and may otherwise be kept off-line. Nothing here issues leaf certificates.
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

  /** Makes the root and the first intermediate. Throws `ERR_CA` if any file of a CA exists, and `ERR_PASSPHRASE`. */
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
   * Makes a new intermediate. `revoke`: the root revokes the previous one, and so invalidates every certificate that it
   * issued. Throws `ERR_CA` if the root's key is missing or belongs to another root, and `ERR_PASSPHRASE`.
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
    // The previous intermediate still signs a CRL for the certificates that it issued, so its key is kept.
    const previousKey = await this.#files.text("intermediate.key")
    if (previousKey !== null) files.set(`intermediates/${previous}.key`, previousKey)
    await this.#files.replace(files)
    this.#signers.setCurrent(signer, passphrase)
    return signer.certificate
  }

  /** The current intermediate with its opened key. Throws `ERR_CA`, `ERR_PASSPHRASE`, `ERR_CLOCK`. */
  async signer(): Promise<Signer> {
    await this.#files.settle()
    const signer = await this.#signers.current(() => this.#passphrase("intermediate", "open"))
    checkClock(signer.certificate, this.#options.now())
    return signer
  }

  /** Expiry of the current intermediate; null without a CA. */
  async ends(): Promise<Date | null> {
    if (!(await this.exists())) return null
    return (await this.#files.intermediate()).certificate.validToDate
  }

  /** Whether `signer` is still the current intermediate. The caller holds the lock. */
  async isCurrent(signer: Signer): Promise<boolean> {
    await this.#files.finishPending()
    return (await this.#files.intermediatePem()) === signer.pem
  }

  /**
   * A previous intermediate with its opened key, which signs its own CRL, because verifiers look for the CRL of a
   * certificate's issuer. Null if its key is missing or has another passphrase than the current intermediate's.
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

  /** All intermediates ever made, including the current one and expired ones. */
  async intermediates(): Promise<StoredIntermediate[]> {
    await this.#files.settle()
    return await this.#files.intermediates()
  }

  /** PEM: the root, and every intermediate that is neither expired nor revoked. Throws `ERR_CA`. */
  async bundle(): Promise<string> {
    const root = await this.rootPem()
    const now = this.#options.now()
    const revoked = new Set((await this.#files.revokedIntermediates()).map(({ serial }) => serial))
    const live = (await this.intermediates()).filter(
      ({ certificate, serial }) => now <= certificate.validToDate && !revoked.has(serial),
    )
    return [root, ...live.map(({ pem: text }) => text)].join("")
  }

  /** The root's CRL in DER, signed when the current intermediate was made. */
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
      hint: "run it on a terminal to be asked, or name a file: --passphrase-file, or ca.passphrase_file",
    })
  }
}

/** Throws `ERR_CLOCK` if the certificate is not valid yet, and `ERR_CA` if it has expired. */
function checkClock(certificate: X509Certificate, now: Date): void {
  if (now < certificate.validFromDate) {
    throw new PurserError(
      "ERR_CLOCK",
      `this machine's clock says ${now.toISOString()}, but the CA is valid only from ${certificate.validFromDate.toISOString()}`,
      { hint: "set the clock of this machine" },
    )
  }
  if (now > certificate.validToDate) {
    throw new PurserError("ERR_CA", `the intermediate expired at ${certificate.validToDate.toISOString()}`, {
      hint: "make a new one with the root's key: purser ca intermediate",
    })
  }
}
