import { dirname, join, resolve } from "node:path"
import { isPurserError, systemErrorCode } from "../base/errors.ts"
import { readConfigText } from "../config/config-text.ts"
import { defaultStateDir } from "../state/state-dir.ts"
import type { ConfigSettings } from "./settings.ts"
import { defaultConfig } from "./default-config.ts"
import type { ResolvedConfig } from "./resolved-config.ts"

/** Where the configuration is; each wins over what a file says. Relative paths are relative to the working directory. */
export interface ConfigLocation {
  /** Also how messages call it. Undefined: `purser.yaml`, if there is one. */
  readonly file?: string | undefined
  /** Undefined: `state:` of the file, else the platform's. */
  readonly stateDir?: string | undefined
  /** Undefined: `store.passphrase_file`. */
  readonly passphraseFile?: string | undefined
}

const defaultFile = "purser.yaml"
const caFileName = "ca.yaml"

/** The configuration that a file gives, with a `ca.yaml` beside it; defaults when neither is there. Throws `ERR_CONFIG`. */
export async function loadConfig(location: ConfigLocation): Promise<ResolvedConfig> {
  const name = location.file ?? defaultFile
  const text = await readIfThere(name, location.file === undefined)
  const directory = text === undefined ? resolve(".") : dirname(resolve(name))
  const caText = await readIfThere(join(directory, caFileName), true)
  const places = stateDirOf(location)
  if (text === undefined && caText === undefined)
    return withPassphraseFile(defaultConfig(places.stateDir ?? places.defaultStateDir), location)
  // What parses is loaded only where there is something to parse.
  const { resolveConfig, resolveConfigText } = await import("./config.ts")
  const options = {
    ...places,
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
 * Secrets and apps of `plain`, and what is about this host (state, store, limits, pauses) from the configuration file
 * as far as `plain` does not say it, because other commands read it there too. Throws `ERR_CONFIG`.
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

/** Undefined when it does not exist, which must be allowed. Throws `ERR_CONFIG`. */
async function readIfThere(name: string, mayBeAbsent: boolean): Promise<string | undefined> {
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
