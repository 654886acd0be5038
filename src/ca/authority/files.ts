import { X509Certificate } from "node:crypto"
import { join } from "node:path"
import { PurserError } from "../../base/errors.ts"
import { namesIn, readText } from "../files.ts"
import { lockCa } from "../lock.ts"
import { pemBlocks } from "../pem.ts"
import { serialOf } from "../records/record-index.ts"
import type { RevokedIntermediate } from "./make.ts"
import { finishPending, isPending, replaceTogether } from "./replace-together.ts"

const settleMs = 20_000

export interface StoredIntermediate {
  readonly serial: string
  readonly certificate: X509Certificate
  readonly pem: string
}

/** Reads and replaces the files of root and intermediates. Paths are relative to `ca/`. It opens no keys. */
export class AuthorityFiles {
  readonly directory: string
  readonly #step: (name: string) => void

  constructor(directory: string, step: (name: string) => void) {
    this.directory = directory
    this.#step = step
  }

  /** Finishes a replacement that a killed process has begun. */
  async settle(): Promise<void> {
    if (!(await isPending(this.directory))) return
    using _lock = await lockCa(this.directory, AbortSignal.timeout(settleMs))
    await this.finishPending()
  }

  /** {@link settle} for a caller that holds the lock. */
  async finishPending(): Promise<void> {
    await finishPending(this.directory, this.#step)
  }

  /** Replaces the files together, by path below `ca/`. The caller holds the lock. Throws `ERR_CA`. */
  async replace(files: ReadonlyMap<string, string>): Promise<void> {
    await replaceTogether(this.directory, files, this.#step)
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Reads a file; null if it does not exist. Throws `ERR_CA`. */
  async text(name: string): Promise<string | null> {
    return await readText(this.path(name))
  }

  /** Throws `ERR_CA` if any file of a CA exists. */
  async refuseSecond(): Promise<void> {
    for (const name of ["intermediate.crt", "root.crt", "root.key"]) {
      if ((await this.text(name)) === null) continue
      throw new PurserError("ERR_CA", `there is already a CA in ${this.directory}`, {
        hint: `${name} exists; for another CA use another --state`,
      })
    }
  }

  async root(): Promise<X509Certificate> {
    return certificateIn(await this.rootPem(), this.path("root.crt"))
  }

  async rootPem(): Promise<string> {
    const text = await this.text("root.crt")
    if (text !== null) return text
    if ((await this.text("intermediate.crt")) === null) throw absent()
    throw this.lost("root.crt")
  }

  /** The root's CRL in DER, signed when the current intermediate was made. */
  async rootCrl(): Promise<Buffer> {
    const text = await this.text("root.crl")
    const [block] = text === null ? [] : pemBlocks(Buffer.from(text))
    if (block === undefined) throw this.lost("root.crl")
    return block.der
  }

  /** The certificate of the current intermediate, PEM. */
  async intermediatePem(): Promise<string> {
    const text = await this.text("intermediate.crt")
    if (text !== null) return text
    if ((await this.text("root.crt")) === null) throw absent()
    throw this.lost("intermediate.crt")
  }

  async intermediate(): Promise<StoredIntermediate> {
    const pem = await this.intermediatePem()
    return storedIntermediate(pem, this.path("intermediate.crt"))
  }

  /** All intermediates ever made, including the current one and expired ones. */
  async intermediates(): Promise<StoredIntermediate[]> {
    const directory = this.path("intermediates")
    const names = (await namesIn(directory)).filter((name) => name.endsWith(".crt")).toSorted()
    const found = []
    for (const name of names) {
      const file = join(directory, name)
      const text = await readText(file)
      if (text !== null) found.push(storedIntermediate(text, file))
    }
    return found
  }

  /** The intermediates that the root has revoked. */
  async revokedIntermediates(): Promise<RevokedIntermediate[]> {
    const directory = this.path("intermediates")
    const names = (await namesIn(directory)).filter((name) => name.endsWith(".revoked"))
    return await Promise.all(
      names.toSorted().map(async (name) => ({
        serial: name.slice(0, -".revoked".length),
        at: new Date(((await readText(join(directory, name))) ?? "").trim()),
      })),
    )
  }

  lost(name: string): PurserError {
    return new PurserError("ERR_CA", `${this.path(name)} is missing`, {
      hint:
        name === "root.crt"
          ? "restore it from a backup"
          : "restore it from a backup, or make a new intermediate: purser ca intermediate",
    })
  }
}

export function absent(): PurserError {
  return new PurserError("ERR_CA", "there is no CA in this state directory", {
    hint: "make one: purser ca init",
  })
}

/** Parses an intermediate's certificate. `file`: the file, for messages. Throws `ERR_CA`. */
export function storedIntermediate(pem: string, file: string): StoredIntermediate {
  const certificate = certificateIn(pem, file)
  return { serial: serialOf(certificate), certificate, pem }
}

function certificateIn(text: string, file: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch {
    throw new PurserError("ERR_CA", `${file} is damaged: it is not a certificate`, {
      hint: "restore it from a backup",
    })
  }
}
