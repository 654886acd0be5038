import { X509Certificate, type KeyObject } from "node:crypto"
import { join } from "node:path"
import { pem } from "../x509/der.ts"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { CaConfig } from "./config.ts"
import { isFileOpenToOthers, namesIn, readPrivate, readText, writeNew, writing } from "./files.ts"
import { generateKey, openKey, sealKey } from "./keys.ts"
import { lockCa } from "./lock.ts"
import {
  makeIntermediate,
  makeRoot,
  makeRootCrl,
  type RevokedIntermediate,
  type Signer,
} from "./make-authority.ts"
import { pemBlocks } from "./pem.ts"
import { finishPending, isPending, replaceTogether } from "./pending.ts"
import { serialOf } from "./records/record-index.ts"

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

const noCa = "there is no CA here"

export class Authority {
  readonly #options: AuthorityOptions
  #signer: Signer | undefined
  /** What opened it, for the keys of those before: nobody is asked twice. */
  #known: Secret | undefined
  readonly #former = new Map<string, Signer>()

  constructor(options: AuthorityOptions) {
    this.#options = options
  }

  async exists(): Promise<boolean> {
    await this.#settle()
    return (await this.#text("intermediate.crt")) !== null
  }

  /** Throws `ERR_CA` where there is one, or a part of one. */
  async init(signal: AbortSignal): Promise<{ root: X509Certificate; intermediate: X509Certificate }> {
    const { config, directory, now, rootKeyFile, step } = this.#options
    await this.#settle()
    await this.#refuseSecond()
    const rootPassphrase = await this.#passphrase("root", "new")
    const passphrase = await this.#passphrase("intermediate", "new")
    let rootKey: KeyObject | undefined = await generateKey(config.keys.root)
    const root = makeRoot(config, now(), rootKey)
    const sealedRoot = await sealKey(rootKey, rootPassphrase)
    const made = await makeIntermediate(config, now(), { root, rootKey, passphrase })
    const rootCrl = makeRootCrl({ root, rootKey, signer: made.signer }, [], now())
    rootKey = undefined

    using _lock = await lockCa(directory, signal)
    await finishPending(directory, step)
    await this.#refuseSecond()
    signal.throwIfAborted()
    const files = new Map([...made.files, ["root.crt", pem("CERTIFICATE", root.raw)], ["root.crl", rootCrl]])
    if (rootKeyFile === undefined) files.set("root.key", sealedRoot)
    else await this.#writeRootKey(rootKeyFile, sealedRoot)
    await replaceTogether(directory, files, step)
    this.#signer = made.signer
    this.#known = passphrase
    return { root, intermediate: made.signer.certificate }
  }

  /**
   * `revoke`: the root takes back the one before, and with it all that it issued. Throws `ERR_CA` when the root's key
   * is not there, or is another root's.
   */
  async renewIntermediate({ revoke }: { revoke: boolean }, signal: AbortSignal): Promise<X509Certificate> {
    const { config, directory, now, rootKeyFile = join(directory, "root.key"), step } = this.#options
    await this.#settle()
    const root = await this.root()
    const sealed = await this.#sealedRootKey(rootKeyFile)
    if (sealed === null) {
      throw new PurserError("ERR_CA", `the root's key is not in ${rootKeyFile}`, {
        hint: "only it can sign an intermediate: say where it is with --root-key FILE",
      })
    }
    const rootPassphrase = await this.#passphrase("root", "open")
    let rootKey: KeyObject | undefined = await openKey(
      sealed,
      rootPassphrase,
      `the root's key ${rootKeyFile}`,
    )
    if (!root.checkPrivateKey(rootKey)) {
      throw new PurserError("ERR_CA", `the key ${rootKeyFile} belongs to another root`, {
        hint: `the root of this CA is ${join(directory, "root.crt")}`,
      })
    }
    const passphrase = await this.#passphrase("intermediate", "new")
    const { files, signer } = await makeIntermediate(config, now(), { root, rootKey, passphrase })

    using _lock = await lockCa(directory, signal)
    await finishPending(directory, step)
    signal.throwIfAborted()
    const revoked = await this.revokedIntermediates()
    const former = serialOf(certificateIn(await this.#intermediatePem(), join(directory, "intermediate.crt")))
    if (revoke) {
      revoked.push({ serial: former, at: now() })
      files.set(`intermediates/${former}.revoked`, `${now().toISOString()}\n`)
    }
    files.set("root.crl", makeRootCrl({ root, rootKey, signer }, revoked, now()))
    rootKey = undefined
    await replaceTogether(directory, await this.#withFormerKey(files), step)
    this.#signer = signer
    this.#known = passphrase
    return signer.certificate
  }

  /** The one that signs now, its key opened. Throws `ERR_CA`, `ERR_PASSPHRASE`, `ERR_CLOCK`. */
  async signer(): Promise<Signer> {
    await this.#settle()
    const { directory } = this.#options
    const text = await this.#intermediatePem()
    // Another process may have made a new one.
    if (this.#signer?.pem !== text) {
      this.#signer = undefined
      const file = join(directory, "intermediate.key")
      const certificate = certificateIn(text, join(directory, "intermediate.crt"))
      const passphrase = await this.#passphrase("intermediate", "open")
      this.#signer = await this.#openKey(certificate, text, file, passphrase)
      this.#known = passphrase
    }
    this.#checkClock(this.#signer.certificate)
    return this.#signer
  }

  /** When the one that signs now ends; null where there is none. */
  async ends(): Promise<Date | null> {
    await this.#settle()
    const text = await this.#text("intermediate.crt")
    const file = join(this.#options.directory, "intermediate.crt")
    return text === null ? null : certificateIn(text, file).validToDate
  }

  /** Whether it still is the one that signs. The caller holds the lock. */
  async isCurrent(signer: Signer): Promise<boolean> {
    await finishPending(this.#options.directory, this.#options.step)
    return (await this.#intermediatePem()) === signer.pem
  }

  /**
   * One that signed before, of which there is the key. Its CRL is signed by it: programs look for the CRL of the CA
   * that issued. Null when its key was taken away, or is under another passphrase than the current one's.
   */
  async former(serial: string): Promise<Signer | null> {
    const before = this.#former.get(serial)
    if (before !== undefined) return before
    const file = join(this.#options.directory, "intermediates", `${serial}.key`)
    const text = await this.#text(`intermediates/${serial}.crt`)
    if (text === null || (await readPrivate(file)) === null) return null
    const passphrase = this.#known
    if (passphrase === undefined) return null
    const certificate = certificateIn(text, `${serial}.crt`)
    const signer = await this.#openKey(certificate, text, file, passphrase).catch(() => null)
    if (signer !== null) this.#former.set(serial, signer)
    return signer
  }

  async root(): Promise<X509Certificate> {
    return certificateIn(await this.rootPem(), join(this.#options.directory, "root.crt"))
  }

  async rootPem(): Promise<string> {
    await this.#settle()
    const text = await this.#text("root.crt")
    if (text !== null) return text
    if ((await this.#text("intermediate.crt")) === null) throw absent()
    throw this.#lost("root.crt")
  }

  /** All that there were, the current one too, with those that have ended. */
  async intermediates(): Promise<{ serial: string; certificate: X509Certificate; pem: string }[]> {
    await this.#settle()
    const directory = join(this.#options.directory, "intermediates")
    const names = (await namesIn(directory)).filter((name) => name.endsWith(".crt")).toSorted()
    const found = []
    for (const name of names) {
      const text = await readText(join(directory, name))
      if (text === null) continue
      const certificate = certificateIn(text, join(directory, name))
      found.push({ serial: serialOf(certificate), certificate, pem: text })
    }
    return found
  }

  /** Those that the root has taken back. */
  async revokedIntermediates(): Promise<RevokedIntermediate[]> {
    const directory = join(this.#options.directory, "intermediates")
    const names = (await namesIn(directory)).filter((name) => name.endsWith(".revoked"))
    return await Promise.all(
      names.toSorted().map(async (name) => ({
        serial: name.slice(0, -".revoked".length),
        at: new Date(((await readText(join(directory, name))) ?? "").trim()),
      })),
    )
  }

  /** DER, signed when the intermediate was made. */
  async rootCrl(): Promise<Buffer> {
    const text = await this.#text("root.crl")
    const [block] = text === null ? [] : pemBlocks(Buffer.from(text))
    if (block === undefined) throw this.#lost("root.crl")
    return block.der
  }

  /** Forgets the keys. */
  close(): void {
    this.#signer = undefined
    this.#known = undefined
    this.#former.clear()
  }

  /** A medium that is taken away often knows no modes, so there they are no reason to refuse: the key is encrypted. */
  async #sealedRootKey(file: string): Promise<string | null> {
    if (this.#options.rootKeyFile === undefined) return await readPrivate(file)
    const sealed = await readText(file)
    if (sealed !== null && (await isFileOpenToOthers(file))) {
      this.#options.log.warn(`the root's key ${file} can be read or written by others`, {
        hint: "they still need its passphrase; keep it where only you come",
      })
    }
    return sealed
  }

  /** What was issued by the former one may still have to be revoked, which takes its key. */
  async #withFormerKey(files: Map<string, string>): Promise<Map<string, string>> {
    const [text, key] = [await this.#text("intermediate.crt"), await this.#text("intermediate.key")]
    if (text === null || key === null) return files
    const former = serialOf(certificateIn(text, join(this.#options.directory, "intermediate.crt")))
    return new Map([...files, [`intermediates/${former}.key`, key]])
  }

  async #openKey(
    certificate: X509Certificate,
    text: string,
    file: string,
    passphrase: Secret,
  ): Promise<Signer> {
    const sealed = await readPrivate(file)
    if (sealed === null) throw this.#lost("intermediate.key")
    const key = await openKey(sealed, passphrase, `the intermediate's key ${file}`)
    if (!certificate.checkPrivateKey(key)) {
      throw new PurserError("ERR_CA", `the key ${file} is not that of its certificate`, {
        hint: "bring both back from the same backup, or make new ones: purser ca intermediate",
      })
    }
    return { certificate, serial: serialOf(certificate), pem: text, key }
  }

  async #passphrase(of: "root" | "intermediate", purpose: "new" | "open"): Promise<Secret> {
    const passphrase = await this.#options.passphrase(of, purpose)
    if (passphrase !== null && passphrase.sizeBytes > 0) return passphrase
    throw new PurserError("ERR_PASSPHRASE", `there is no passphrase for the ${of}'s key`, {
      hint: "on a terminal it is asked for; else name a file that holds it: --passphrase-file, or ca.passphrase_file",
    })
  }

  #checkClock(certificate: X509Certificate): void {
    const now = this.#options.now()
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

  async #refuseSecond(): Promise<void> {
    for (const name of ["intermediate.crt", "root.crt", "root.key"]) {
      if ((await this.#text(name)) === null) continue
      throw new PurserError("ERR_CA", `there is a CA already in ${this.#options.directory}`, {
        hint: `${name} is there; use another --state for another CA`,
      })
    }
  }

  async #writeRootKey(file: string, sealed: string): Promise<void> {
    try {
      await writing(file, () => writeNew(file, sealed))
    } catch (error) {
      if (error instanceof PurserError && systemErrorCode(error.cause) === "EEXIST")
        throw new PurserError("ERR_CA", `${file} is there already`, { hint: "name a file that is not" })
      throw error
    }
  }

  async #intermediatePem(): Promise<string> {
    const text = await this.#text("intermediate.crt")
    if (text !== null) return text
    if ((await this.#text("root.crt")) === null) throw absent()
    throw this.#lost("intermediate.crt")
  }

  /** Finishes what a process that was killed had begun. */
  async #settle(): Promise<void> {
    const { directory, step } = this.#options
    if (!(await isPending(directory))) return
    using _lock = await lockCa(directory, AbortSignal.timeout(20_000))
    await finishPending(directory, step)
  }

  async #text(path: string): Promise<string | null> {
    return await readText(join(this.#options.directory, path))
  }

  #lost(name: string): PurserError {
    return new PurserError("ERR_CA", `${join(this.#options.directory, name)} is missing`, {
      hint:
        name === "root.crt"
          ? "bring it back from a backup"
          : "bring it back from a backup, or make a new one: purser ca intermediate",
    })
  }
}

export function absent(): PurserError {
  return new PurserError("ERR_CA", noCa, { hint: "purser ca init makes one" })
}

function certificateIn(text: string, file: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch {
    throw new PurserError("ERR_CA", `${file} is damaged: it is no certificate`, {
      hint: "bring it back from a backup",
    })
  }
}
