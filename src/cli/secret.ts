import { randomBytes } from "node:crypto"
import type { Command } from "commander"
import { PurserError } from "../base/errors.ts"
import { parseSecretName } from "../base/names.ts"
import { nearest } from "../config/nearest.ts"
import { Secret } from "../base/secret.ts"
import { ensureStateDir } from "../state/state-dir.ts"
import { readBounded } from "../sources/bounded-read.ts"
import { readPassphrase } from "../sources/store/passphrase.ts"
import type { SecretStore, StoredSecret } from "../sources/store/store.ts"
import { openStore } from "../wiring/open-store.ts"
import type { CommandAction, Context } from "./command.ts"
import { commandConfig, openContextOf } from "./load-config.ts"
import { askNewPassword, canAsk, confirm, readStdin } from "./prompt.ts"

/** `purser secret`: Purser's own store. A secret is never an argument and never in a listing. */

interface CommonOptions {
  passphraseFile?: string
}

interface SetOptions extends CommonOptions {
  file?: string
  generate?: string
  undo?: boolean
  trim?: boolean
}

interface KeyOptions extends CommonOptions {
  newPassphrase?: boolean
  newPassphraseFile?: string
  passphrase: boolean
}

export function define(command: Command, action: CommandAction): void {
  const set = command
    .command("set")
    .summary("store a secret: from a prompt, stdin or a file")
    .description(
      "Stores a secret. Asks for it twice on a terminal, else reads standard input. Keeps the previous version.",
    )
    .argument("<name>", "its name")
    .option("--file <file>", "read the secret from this file")
    .option(
      "--generate <bytes>",
      "generate this number of random bytes (such as 32), stored as base64url text and not shown",
    )
    .option("--trim", "remove one newline at the end")
    .option("--undo", "restore the previous version; a second --undo reverts that")
    // Surplus words may be the secret, so refuseMore refuses them without repeating them.
    .allowExcessArguments()
    .allowUnknownOption()
  set.action(
    action(async (context, options: SetOptions, name: string) => {
      refuseMore(set)
      await setSecret(context, options, name)
    }),
  )
  command
    .command("get")
    .summary("print a secret on stdout, byte for byte")
    .argument("<name>", "its name")
    .action(action((context, options: CommonOptions, name: string) => getSecret(context, options, name)))
  command
    .command("ls")
    .summary("list names, sizes and times; never contents")
    .action(action((context) => listSecrets(context)))
  command
    .command("rm")
    .summary("remove secrets and their previous versions")
    .argument("<names...>", "their names")
    .option("-y, --yes", "do not ask for confirmation")
    .action(
      action((context, options: { yes?: boolean }, names: string[]) =>
        removeSecrets(context, options.yes === true, names),
      ),
    )
  command
    .command("key")
    .summary("re-encrypt all secrets to a new key, passphrase, or your own age recipients")
    .description(
      "Makes a new key and encrypts every secret to it. Without options the new key is protected as the old one is; " +
        "with store.recipients in purser.yaml, all secrets are encrypted to those instead.",
    )
    .option("--new-passphrase", "protect the new key with a passphrase, asked for twice")
    .option("--new-passphrase-file <file>", "protect the new key with the passphrase in this file")
    .option("--no-passphrase", "store the new key unencrypted, protected only by file mode 0600")
    .action(action((context, options: KeyOptions) => changeKey(context, options)))
  for (const child of command.commands) {
    if (["set", "get", "key"].includes(child.name()))
      child.option("--passphrase-file <file>", "passphrase of the store's key (or PURSER_PASSPHRASE_FILE)")
  }
}

async function setSecret(context: Context, options: SetOptions, name: string): Promise<void> {
  parseSecretName(name)
  const { store, maxBytes } = await open(context, options)
  if ([options.file, options.generate, options.undo].filter((option) => option !== undefined).length > 1) {
    throw new PurserError("ERR_USAGE", "--file, --generate and --undo exclude each other")
  }
  if (options.undo === true) {
    await store.undo(name, context.signal)
    context.output.result({ name, undone: true }, `${name}: the previous version is restored`)
    return
  }
  const content = await newContent(context, options, name, maxBytes)
  await store.set(name, content, context.signal)
  const { sizeBytes } = content
  context.output.result(
    { name, sizeBytes },
    `${name}: stored, ${sizeBytes} ${sizeBytes === 1 ? "byte" : "bytes"}`,
  )
}

async function newContent(
  context: Context,
  options: SetOptions,
  name: string,
  maxBytes: number,
): Promise<Secret> {
  const { file, generate, trim } = options
  if (generate !== undefined) return generated(generate)
  if (file === undefined && canAsk(context)) return await askNewPassword(name, context)
  const bytes = file === undefined ? await readStdin(context, maxBytes) : await readBounded(file, maxBytes)
  if (bytes === null) throw new PurserError("ERR_SOURCE", `there is no file ${file}`)
  if (bytes.length === 0 && file === undefined) {
    throw new PurserError("ERR_USAGE", "standard input is empty", {
      hint: "use --file to store an empty secret",
    })
  }
  const newline = /\r?\n$/.exec(bytes.toString("latin1"))
  if (newline === null) return new Secret(bytes)
  if (trim === true) return new Secret(bytes.subarray(0, -newline[0].length))
  // `echo secret | purser secret set` adds a newline, which makes a password that users cannot type.
  if (file === undefined && bytes.indexOf(0x0a) === bytes.length - 1) {
    context.output.note("the newline at the end is stored as part of the secret; --trim removes it")
  }
  return new Secret(bytes)
}

function generated(text: string): Secret {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 8 || count > 1024) {
    throw new PurserError("ERR_USAGE", "--generate takes a number of bytes from 8 to 1024", {
      hint: "32 is good for keys and passwords",
    })
  }
  return new Secret(randomBytes(count).toString("base64url"))
}

/** Refuses surplus arguments without repeating them, because they may be the secret. */
function refuseMore(set: Command): void {
  const extra = set.args.slice(1)
  const [first] = extra
  if (first === undefined) return
  const typo = first.startsWith("--") ? nearest(first.split("=")[0] ?? "", longOptions(set)) : undefined
  throw new PurserError("ERR_USAGE", "set takes only a name, never the secret as an argument", {
    hint:
      typo === undefined
        ? "give the secret at the prompt, on standard input or with --file, because every process can see arguments"
        : `did you mean ${typo}?`,
  })
}

function longOptions(command: Command): string[] {
  return command.options.flatMap(({ long }) => (long === null || long === undefined ? [] : [long]))
}

async function getSecret(context: Context, options: CommonOptions, name: string): Promise<void> {
  const { store } = await open(context, options)
  const secret = await store.read(name)
  if (secret === null) throw await missing(store, name)
  if (context.json) context.output.result({ name, base64: secret.reveal().toString("base64") }, "")
  else await context.output.bytes(secret.reveal())
}

async function listSecrets(context: Context): Promise<void> {
  const { store, stateDir } = await open(context, {})
  const secrets = await store.list()
  if (secrets.length === 0) context.output.note(`no secrets are stored in ${stateDir}`)
  context.output.table<StoredSecret>(secrets, [
    { title: "NAME", value: ({ name }) => name },
    { title: "BYTES", value: ({ sizeBytes }) => String(sizeBytes), align: "right" },
    { title: "CHANGED", value: ({ changed }) => changed.toISOString().replace(/\.\d+Z$/, "Z") },
    { title: "UNDO", value: ({ previous }) => (previous ? "yes" : "") },
  ])
}

async function removeSecrets(context: Context, sure: boolean, names: readonly string[]): Promise<void> {
  for (const name of names) parseSecretName(name)
  const { store } = await open(context, {})
  const known = await store.names()
  for (const name of names) if (!known.includes(name)) throw await missing(store, name)
  if (!sure && canAsk(context) && !(await confirm(`remove ${names.join(", ")} for good?`, context))) {
    context.output.note("nothing was removed")
    return
  }
  for (const name of names) {
    await store.remove(name, context.signal)
    context.output.result({ name, removed: true }, `${name}: removed`)
  }
}

async function changeKey(context: Context, options: KeyOptions): Promise<void> {
  const { newPassphrase, newPassphraseFile, passphrase } = options
  const choices = [newPassphrase === true, newPassphraseFile !== undefined, !passphrase].filter(
    Boolean,
  ).length
  if (choices > 1) {
    throw new PurserError(
      "ERR_USAGE",
      "--new-passphrase, --new-passphrase-file and --no-passphrase exclude each other",
    )
  }
  const { store, recipients } = await open(context, options)
  if (choices === 0 && recipients !== undefined) {
    const count = await store.changeKey("recipients", context.signal)
    report(context, count, `the ${recipients.length} recipients of the configuration`)
    return
  }
  let fresh: Secret | null = null
  if (newPassphraseFile !== undefined) fresh = await readPassphrase(newPassphraseFile)
  else if (newPassphrase === true) {
    if (!canAsk(context))
      throw new PurserError("ERR_USAGE", "--new-passphrase needs a terminal", {
        hint: "use --new-passphrase-file FILE instead",
      })
    fresh = await askNewPassword("new passphrase", context)
  } else if (passphrase) fresh = await store.currentPassphrase()
  const count = await store.changeKey({ passphrase: fresh }, context.signal)
  report(context, count, fresh === null ? "a new key" : "a new key with a passphrase")
  if (recipients !== undefined) {
    context.output.warn(
      "the configuration still has store.recipients",
      "remove store.recipients and store.identity_file",
    )
  }
}

function report(context: Context, count: number, what: string): void {
  context.output.result(
    { secrets: count },
    `${count} ${count === 1 ? "secret" : "secrets"} encrypted to ${what}`,
  )
}

async function open(context: Context, { passphraseFile }: CommonOptions) {
  const config = await commandConfig(context, passphraseFile)
  await ensureStateDir(config.stateDir)
  const { store, secretBytes } = config.sources
  return {
    stateDir: config.stateDir,
    store: openStore(config, openContextOf(context)),
    recipients: store.recipients,
    maxBytes: secretBytes,
  }
}

async function missing(store: SecretStore, name: string): Promise<PurserError> {
  const near = nearest(name, await store.names())
  return new PurserError("ERR_SECRET_MISSING", `there is no ${name} in the store`, {
    hint: near === undefined ? "purser secret ls lists what there is" : `did you mean ${near}?`,
  })
}
