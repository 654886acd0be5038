import { dirname, join, resolve } from "node:path"
import { openCertificates, type Certificates } from "../agent/certificates.ts"
import type { AuditLog } from "../audit/audit-log.ts"
import { readConfigText } from "../config/config-file.ts"
import { isPurserError, systemErrorCode } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import { defaultStateDir } from "../state/state-dir.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import { createCatalogue } from "../sources/open-catalogue.ts"
import type { SourcesConfig } from "../sources/schema.ts"
import type { StoreConfig } from "../sources/store/config.ts"
import { SecretStore, type StoreOptions } from "../sources/store/store.ts"
import type { Context } from "./command.ts"
import { resolveConfig, resolveConfigText, type PlainConfig, type ResolvedConfig } from "../wiring/config.ts"
import { askPassword, canAsk } from "./prompt.ts"

type Where = Pick<Context, "env" | "config" | "state">

const defaultFile = "purser.yaml"
const caFileName = "ca.yaml"

/**
 * The configuration of this call: `--config`, else `./purser.yaml` if it exists, else defaults. The state
 * directory is `--state`, else `PURSER_STATE`, else the file's `state:`, else the platform's. Throws `ERR_CONFIG`.
 */
export async function loadConfig(context: Where): Promise<ResolvedConfig> {
  const name = context.config ?? defaultFile
  const file = resolve(name)
  let text: string
  try {
    text = await readConfigText(name)
  } catch (error) {
    const isAbsent = isPurserError(error, "ERR_CONFIG") && systemErrorCode(error.cause) === "ENOENT"
    if (context.config !== undefined || !isAbsent) throw error
    const caFile = await readCaFile(resolve("."))
    return resolveConfig({}, { ...places(context), file: undefined, directory: resolve("."), caFile })
  }
  const directory = dirname(file)
  const caFile = await readCaFile(directory)
  return resolveConfigText(text, name, { ...places(context), file, directory, caFile, ownActions: [] })
}

/** The CA's configuration may lie beside the other, or be all that there is. Undefined where it does not. */
async function readCaFile(directory: string): Promise<{ name: string; text: string } | undefined> {
  const name = join(directory, caFileName)
  try {
    return { name: caFileName, text: await readConfigText(name) }
  } catch (error) {
    if (isPurserError(error, "ERR_CONFIG") && systemErrorCode(error.cause) === "ENOENT") return undefined
    throw error
  }
}

/**
 * Secrets and apps from flags, and what is about this host (state, store, limits, pauses) from the configuration file
 * as far as the flags do not say it: the other commands read it there too. Throws `ERR_CONFIG`.
 */
export async function loadConfigWith(flags: PlainConfig, context: Where): Promise<ResolvedConfig> {
  const { stateDir, sources, ca, limits, parallel, actionMs, everyMs, discoverMs } = await loadConfig(context)
  const config = resolvePlain(flags, { ...context, state: stateDir })
  return {
    ...config,
    sources: { ...config.sources, store: sources.store, ca, secretBytes: sources.secretBytes },
    ca,
    limits,
    parallel,
    actionMs,
    ...(flags.every === undefined ? { everyMs } : {}),
    ...(flags.discover === undefined ? { discoverMs } : {}),
  }
}

/** The same from flags (`configFromFlags`); relative paths are relative to where we are. Throws `ERR_CONFIG`. */
export function resolvePlain(config: PlainConfig, context: Pick<Context, "env" | "state">): ResolvedConfig {
  return resolveConfig(config, { ...places(context), file: undefined, directory: resolve(".") })
}

/** The sources of a configuration, asking for a passphrase on a terminal where one is needed. */
export function openCatalogue(
  config: ResolvedConfig,
  context: Context,
  { ca, onIssued }: Partial<Certificates> = {},
): Catalogue {
  const { env, log } = context
  const { stateDir } = config
  const dependencies = { stateDir, env, log, askPassphrase: asker(context), ca, onIssued }
  return createCatalogue(sourcesOf(config, context), dependencies)
}

/** What an agent has to do with certificates. */
export function openAgentCertificates(
  config: ResolvedConfig,
  audit: AuditLog,
  context: Context,
): Certificates | undefined {
  const { stateDir, apps } = config
  const options = { stateDir, audit, log: context.log, askPassphrase: asker(context) }
  return openCertificates({ sources: sourcesOf(config, context), apps }, options)
}

function sourcesOf(config: ResolvedConfig, context: Context): SourcesConfig {
  return { ...config.sources, store: storeConfig(config, context) }
}

/** The store alone. `passphraseFile` is that of a flag, and wins. */
export function openStore(config: ResolvedConfig, context: Context, passphraseFile?: string): SecretStore {
  return new SecretStore(storeOptions(config, context, passphraseFile))
}

/** How the store is opened, and what else is encrypted like it. */
export function storeOptions(
  config: ResolvedConfig,
  context: Context,
  passphraseFile?: string,
): StoreOptions {
  const { stateDir, sources } = config
  return {
    stateDir,
    config: storeConfig(config, context, passphraseFile),
    maxBytes: sources.secretBytes,
    askPassphrase: asker(context),
  }
}

function storeConfig({ sources }: ResolvedConfig, { env }: Context, flag?: string): StoreConfig {
  const given = flag ?? (env["PURSER_PASSPHRASE_FILE"] || undefined)
  return given === undefined ? sources.store : { ...sources.store, passphraseFile: resolve(given) }
}

function asker(context: Context): () => Promise<Secret | null> {
  return async () => (canAsk(context) ? await askPassword("passphrase of the store's key", context) : null)
}

function places({ env, state }: Pick<Context, "env" | "state">) {
  const given = state ?? (env["PURSER_STATE"] || undefined)
  return { stateDir: given === undefined ? undefined : resolve(given), defaultStateDir: defaultStateDir() }
}
