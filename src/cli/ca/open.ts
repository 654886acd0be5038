import { createReadStream } from "node:fs"
import type { Command } from "commander"
import { resolve } from "node:path"
import type { ResolvedConfig } from "../../wiring/config.ts"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { Secret } from "../../base/secret.ts"
import { Ca } from "../../ca/ca.ts"
import { readPassphrase, SecretStore } from "../../sources/store/store.ts"
import type { Context } from "../command.ts"
import { storeOptions } from "../load-config.ts"
import { askNewPassword, askPassword, canAsk } from "../prompt.ts"

/** The CA of the state directory, as the commands open it: who is asked for the passphrases of its keys, and how. */

export interface CaFlags {
  readonly passphraseFile?: string
  readonly passphraseFd?: string
  readonly rootPassphraseFile?: string
  readonly rootPassphraseFd?: string
  /** Where the root's key is, when it is kept off-line. */
  readonly rootKey?: string
}

const keyDirectory = "ca/keys"
/** OpenSSL reads no more. */
const maxPassphraseBytes = 1023

/** Adds the flags that {@link openCa} takes; those of the root only where its key is used. */
export function withPassphrases(command: Command, { root = false }: { root?: boolean } = {}): Command {
  command
    .option("--passphrase-file <file>", "passphrase of the intermediate's key (or ca.passphrase_file)")
    .option("--passphrase-fd <n>", "the same, from a file descriptor")
  if (!root) return command
  return command
    .option("--root-passphrase-file <file>", "passphrase of the root's key; default: the same")
    .option("--root-passphrase-fd <n>", "the same, from a file descriptor")
}

export function openCa(config: ResolvedConfig, context: Context, flags: CaFlags = {}): Ca {
  const { rootKey } = flags
  return new Ca({
    stateDir: config.stateDir,
    config: config.ca,
    keys: new SecretStore({ ...storeOptions(config, context), directory: keyDirectory }),
    passphrase: asker(config, context, flags),
    ...(rootKey === undefined ? {} : { rootKeyFile: resolve(rootKey) }),
    log: context.log,
  })
}

type Asker = (of: "root" | "intermediate", purpose: "new" | "open") => Promise<Secret | null>

function asker(config: ResolvedConfig, context: Context, flags: CaFlags): Asker {
  const given = remembered(() =>
    givenPassphrase(
      flags.passphraseFile ?? config.ca.passphraseFile,
      flags.passphraseFd,
      "--passphrase-fd",
      context,
    ),
  )
  const givenForRoot = remembered(() =>
    givenPassphrase(flags.rootPassphraseFile, flags.rootPassphraseFd, "--root-passphrase-fd", context),
  )
  return async (of, purpose) => {
    const known = of === "root" ? await givenForRoot() : await given()
    if (known !== null) return known
    if (canAsk(context)) {
      const question = `passphrase of the ${of}'s key`
      return purpose === "new"
        ? await askNewPassword(`a ${question}`, context)
        : await askPassword(question, context)
    }
    const same = of === "root" ? await given() : null
    if (same !== null && purpose === "new") {
      context.log.info("the root's key is under the same passphrase as the intermediate's", {
        hint: "give it another with --root-passphrase-file",
      })
    }
    return same
  }
}

/** Null when neither is given. */
export async function givenPassphrase(
  file: string | undefined,
  descriptor: string | undefined,
  flag: string,
  { signal }: Context,
): Promise<Secret | null> {
  if (descriptor !== undefined) return await readDescriptor(descriptor, flag, signal)
  return file === undefined ? null : await readPassphrase(file)
}

/** Throws `ERR_USAGE`. */
async function readDescriptor(text: string, flag: string, signal: AbortSignal): Promise<Secret> {
  const bad = (why: string): PurserError =>
    new PurserError("ERR_USAGE", `${flag} ${why}`, { hint: `for example ${flag} 3 3<FILE` })
  if (!/^\d{1,4}$/.test(text)) throw bad("wants the number of an open file descriptor")
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of createReadStream("", { fd: Number(text), signal }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxPassphraseBytes) throw bad(`${text} holds more than ${maxPassphraseBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof PurserError) throw error
    signal.throwIfAborted()
    throw bad(`${text} cannot be read: ${reasonOf(error)}`)
  }
  const passphrase = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "")
  if (passphrase === "") throw bad(`${text} holds nothing`)
  return new Secret(passphrase)
}

/** A descriptor can be read once only. */
function remembered<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => (answer ??= ask())
}
