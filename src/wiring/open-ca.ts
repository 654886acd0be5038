import type { Secret } from "../base/secret.ts"
import { Ca } from "../ca/ca.ts"
import type { CaOptions } from "../ca/options.ts"
import { readPassphrase } from "../sources/store/passphrase.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import type { OpenContext } from "./open-context.ts"
import { openStore } from "./open-store.ts"

/** Resolves with null if no passphrase was given. */
type ReadPassphrase = () => Promise<Secret | null>

export interface OpenCaOptions {
  /** The intermediate's passphrase. Default: from `ca.passphrase_file`. */
  readonly passphrase?: ReadPassphrase | undefined
  /** The root's passphrase. Default: asked for if possible, or else the intermediate's. */
  readonly rootPassphrase?: ReadPassphrase | undefined
  /** Absolute path of the root's key if it is kept off-line. */
  readonly rootKeyFile?: string | undefined
}

/** Opens the CA of the state directory. `await using` it. */
export function openCa(
  config: Pick<ResolvedConfig, "stateDir" | "sources">,
  context: Pick<OpenContext, "askPassphrase" | "log">,
  options: OpenCaOptions = {},
): Ca {
  const { ca } = config.sources
  const passphrase = options.passphrase ?? (() => configuredPassphrase(ca.passphraseFile))
  return new Ca({
    stateDir: config.stateDir,
    config: ca,
    keys: openStore(config, context, "ca/keys"),
    passphrase: passphraseOf({ passphrase, rootPassphrase: options.rootPassphrase }, context),
    rootKeyFile: options.rootKeyFile,
    log: context.log,
  })
}

async function configuredPassphrase(file: string | undefined): Promise<Secret | null> {
  return file === undefined ? null : await readPassphrase(file)
}

/**
 * Returns a reader that tries the given passphrase first, then asks if possible, and for the root falls back to the
 * intermediate's.
 */
function passphraseOf(
  given: { passphrase: ReadPassphrase } & Pick<OpenCaOptions, "rootPassphrase">,
  { askPassphrase, log }: Pick<OpenContext, "askPassphrase" | "log">,
): CaOptions["passphrase"] {
  return async (key, purpose) => {
    const known = key === "root" ? await given.rootPassphrase?.() : await given.passphrase()
    const passphrase = known ?? (await askPassphrase?.(key, purpose)) ?? null
    if (passphrase !== null || key !== "root") return passphrase
    const same = await given.passphrase()
    if (same !== null && purpose === "new") {
      log.info("the root's key has the same passphrase as the intermediate's", {
        hint: "use --root-passphrase-file to give it another",
      })
    }
    return same
  }
}
