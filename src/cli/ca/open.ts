import { createReadStream } from "node:fs"
import type { Command } from "commander"
import { resolve } from "node:path"
import type { ResolvedConfig } from "../../wiring/resolved-config.ts"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { Secret } from "../../base/secret.ts"
import type { Ca } from "../../ca/ca.ts"
import { readPassphrase } from "../../sources/store/passphrase.ts"
import * as wiring from "../../wiring/open-ca.ts"
import type { Context } from "../command.ts"
import { openContextOf } from "../load-config.ts"

/** Opens the CA of the state directory, with the passphrases and the root's key from flags or the configuration. */

export interface CaFlags {
  readonly passphraseFile?: string
  readonly passphraseFd?: string
  readonly rootPassphraseFile?: string
  readonly rootPassphraseFd?: string
  /** File of a root key that is kept off-line. */
  readonly rootKey?: string
}

/** OpenSSL reads at most this much of a passphrase. */
const maxPassphraseBytes = 1023

/** Adds the passphrase flags for {@link openCommandCa}; with `root`, those of the root's key too. */
export function withPassphrases(command: Command, { root = false }: { root?: boolean } = {}): Command {
  command
    .option("--passphrase-file <file>", "passphrase of the intermediate's key (default: ca.passphrase_file)")
    .option("--passphrase-fd <n>", "the same, from a file descriptor")
  if (!root) return command
  return command
    .option("--root-passphrase-file <file>", "passphrase of the root's key (default: the intermediate's)")
    .option("--root-passphrase-fd <n>", "the same, from a file descriptor")
}

export function openCommandCa(config: ResolvedConfig, context: Context, flags: CaFlags = {}): Ca {
  const { passphraseFile = config.ca.passphraseFile, passphraseFd, rootKey } = flags
  return wiring.openCa(config, openContextOf(context), {
    passphrase: remembered(() => givenPassphrase(passphraseFile, passphraseFd, "--passphrase-fd", context)),
    rootPassphrase: remembered(() =>
      givenPassphrase(flags.rootPassphraseFile, flags.rootPassphraseFd, "--root-passphrase-fd", context),
    ),
    rootKeyFile: rootKey === undefined ? undefined : resolve(rootKey),
  })
}

/** Reads a passphrase from a file or a file descriptor; null if neither is given. Throws `ERR_USAGE`, `ERR_PASSPHRASE`. */
export async function givenPassphrase(
  file: string | undefined,
  descriptor: string | undefined,
  flag: string,
  { signal }: Context,
): Promise<Secret | null> {
  if (descriptor !== undefined) return await readDescriptor(descriptor, flag, signal)
  return file === undefined ? null : await readPassphrase(file)
}

/** Reads a passphrase from a file descriptor. Throws `ERR_USAGE`. */
async function readDescriptor(text: string, flag: string, signal: AbortSignal): Promise<Secret> {
  const bad = (why: string): PurserError =>
    new PurserError("ERR_USAGE", `${flag} ${why}`, { hint: `for example ${flag} 3 3<FILE` })
  if (!/^\d{1,4}$/.test(text)) throw bad("needs the number of an open file descriptor")
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
  if (passphrase === "") throw bad(`${text} is empty`)
  return new Secret(passphrase)
}

/** Asks only once, because a file descriptor can be read only once. */
function remembered<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => (answer ??= ask())
}
