import { dirname, join, resolve } from "node:path"
import { isPurserError, systemErrorCode } from "../base/errors.ts"
import { readConfigText } from "../config/config-text.ts"
import { defaultStateDir } from "../state/state-dir.ts"
import type { ConfigSettings } from "./settings.ts"
import { defaultConfig } from "./default-config.ts"
import type { ResolvedConfig } from "./resolved-config.ts"

/**
 * The location of the configuration. Each value takes precedence over the file's. Relative paths are relative to the
 * working directory.
 */
export interface ConfigLocation {
  /** The file's name, also in messages. Default: `purser.yaml`, if it exists. */
  readonly file?: string | undefined
  /** Default: `state:` of the file, or else the platform's directory. */
  readonly stateDir?: string | undefined
  /** Default: `store.passphrase_file`. */
  readonly passphraseFile?: string | undefined
}

const defaultFile = "purser.yaml"
const caFileName = "ca.yaml"

/**
 * Loads the configuration of a file, with a `ca.yaml` beside it; the defaults if neither exists. Throws `ERR_CONFIG`.
 */
export async function loadConfig(location: ConfigLocation): Promise<ResolvedConfig> {
  const name = location.file ?? defaultFile
  const text = await readOptional(name, location.file === undefined)
  const directory = text === undefined ? resolve(".") : dirname(resolve(name))
  const caText = await readOptional(join(directory, caFileName), true)
  const stateDirs = stateDirOf(location)
  if (text === undefined && caText === undefined)
    return withPassphraseFile(defaultConfig(stateDirs.stateDir ?? stateDirs.defaultStateDir), location)
  // The parsers are loaded only if there is a file to parse.
  const { resolveConfig, resolveConfigText } = await import("./config.ts")
  const options = {
    ...stateDirs,
    directory,
    caFile: caText === undefined ? undefined : { name: caFileName, text: caText },
  }
  const config =
    text === undefined
      ? resolveConfig({}, { ...options, file: undefined })
      : resolveConfigText(text, name, { ...options, file: resolve(name), ownActions: [] })
  return withPassphraseFile(config, location)
}

/**
 * Returns the secrets and apps of `plain`. Settings of this host (state, store, CA, limits, intervals) that `plain`
 * does not give are taken from the configuration file, because other commands read them there too. Throws `ERR_CONFIG`.
 */
export async function loadConfigWith(
  plain: ConfigSettings,
  location: ConfigLocation,
): Promise<ResolvedConfig> {
  const { stateDir, sources, ca, limits, parallel, actionMs, everyMs, discoverMs } =
    await loadConfig(location)
  const { resolveConfig } = await import("./config.ts")
  const config = resolveConfig(plain, {
    file: undefined,
    directory: resolve("."),
    stateDir,
    defaultStateDir: stateDir,
  })
  return {
    ...config,
    sources: { ...config.sources, store: sources.store, ca, secretBytes: sources.secretBytes },
    ca,
    limits,
    parallel,
    actionMs,
    ...(plain.every === undefined ? { everyMs } : {}),
    ...(plain.discover === undefined ? { discoverMs } : {}),
  }
}

/** Reads a file. Returns undefined if it does not exist and `mayBeAbsent` is set. Throws `ERR_CONFIG`. */
async function readOptional(name: string, mayBeAbsent: boolean): Promise<string | undefined> {
  try {
    return await readConfigText(name)
  } catch (error) {
    const isAbsent = isPurserError(error, "ERR_CONFIG") && systemErrorCode(error.cause) === "ENOENT"
    if (mayBeAbsent && isAbsent) return undefined
    throw error
  }
}

function stateDirOf({ stateDir }: ConfigLocation) {
  return {
    stateDir: stateDir === undefined ? undefined : resolve(stateDir),
    defaultStateDir: defaultStateDir(),
  }
}

function withPassphraseFile(config: ResolvedConfig, { passphraseFile }: ConfigLocation): ResolvedConfig {
  if (passphraseFile === undefined) return config
  const store = { ...config.sources.store, passphraseFile: resolve(passphraseFile) }
  return { ...config, sources: { ...config.sources, store } }
}
