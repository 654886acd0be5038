import type { Secret } from "../base/secret.ts"
import { Ca } from "../ca/ca.ts"
import type { CaOptions } from "../ca/options.ts"
import { readPassphrase } from "../sources/store/passphrase.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import type { OpenContext } from "./open-context.ts"
import { openStore } from "./open-store.ts"

/** Null where none was given. */
type ReadPassphrase = () => Promise<Secret | null>

export interface OpenCaOptions {
  /** The intermediate's. Default: from `ca.passphrase_file`. */
  readonly passphrase?: ReadPassphrase | undefined
  /** The root's. Default: whoever can be asked, else the intermediate's. */
  readonly rootPassphrase?: ReadPassphrase | undefined
  /** Absolute: where the root's key is when it is kept off-line. */
  readonly rootKeyFile?: string | undefined
}

/** The CA of the state directory. `await using` it. */
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

/** What was given comes first, then whoever can be asked, and for the root at last the intermediate's passphrase. */
function passphraseOf(
  given: { passphrase: ReadPassphrase } & Pick<OpenCaOptions, "rootPassphrase">,
  { askPassphrase, log }: Pick<OpenContext, "askPassphrase" | "log">,
): CaOptions["passphrase"] {
  return async (of, purpose) => {
    const known = of === "root" ? await given.rootPassphrase?.() : await given.passphrase()
    const told = known ?? (await askPassphrase?.(of, purpose)) ?? null
    if (told !== null || of !== "root") return told
    const same = await given.passphrase()
    if (same !== null && purpose === "new") {
      log.info("the root's key is under the same passphrase as the intermediate's", {
        hint: "give it another with --root-passphrase-file",
      })
    }
    return same
  }
}
