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

/** Reads and replaces the files of root and intermediates in `ca/`. Paths are below it. */
export class AuthorityFiles {
  readonly directory: string
  readonly #step: (name: string) => void

  constructor(directory: string, step: (name: string) => void) {
    this.directory = directory
    this.#step = step
  }

  /** Finishes what a process that was killed had begun. */
  async settle(): Promise<void> {
    if (!(await isPending(this.directory))) return
    using _lock = await lockCa(this.directory, AbortSignal.timeout(settleMs))
    await this.finishPending()
  }

  /** The same for a caller that holds the lock. */
  async finishPending(): Promise<void> {
    await finishPending(this.directory, this.#step)
  }

  /** The caller holds the lock. Throws `ERR_CA`, with nothing changed. */
  async replace(files: ReadonlyMap<string, string>): Promise<void> {
    await replaceTogether(this.directory, files, this.#step)
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Null when it is not there. */
  async text(name: string): Promise<string | null> {
    return await readText(this.path(name))
  }

  /** Throws `ERR_CA` where there is a CA, or a part of one. */
  async refuseSecond(): Promise<void> {
    for (const name of ["intermediate.crt", "root.crt", "root.key"]) {
      if ((await this.text(name)) === null) continue
      throw new PurserError("ERR_CA", `there is a CA already in ${this.directory}`, {
        hint: `${name} is there; use another --state for another CA`,
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

  /** DER, signed when the intermediate was made. */
  async rootCrl(): Promise<Buffer> {
    const text = await this.text("root.crl")
    const [block] = text === null ? [] : pemBlocks(Buffer.from(text))
    if (block === undefined) throw this.lost("root.crl")
    return block.der
  }

  /** The certificate that signs now. */
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

  /** All that there were, the current one too, with those that have expired. */
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

  /** Those that the root has taken back. */
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
          ? "bring it back from a backup"
          : "bring it back from a backup, or make a new one: purser ca intermediate",
    })
  }
}

export function absent(): PurserError {
  return new PurserError("ERR_CA", "there is no CA here", { hint: "purser ca init makes one" })
}

/** `file`: how messages call it. Throws `ERR_CA`. */
export function storedIntermediate(pem: string, file: string): StoredIntermediate {
  const certificate = certificateIn(pem, file)
  return { serial: serialOf(certificate), certificate, pem }
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
