import { homedir } from "node:os"
import type { ConfigSettings } from "../wiring/settings.ts"
import type { ResolvedConfig } from "../wiring/resolved-config.ts"
import type { ConfigLocation } from "../wiring/load-config.ts"
import type { OpenContext } from "../wiring/open-context.ts"
import type { Context } from "./command.ts"
import { askNewPassword, askPassword, canAsk } from "./prompt.ts"

/** Turns a command's flags, environment and terminal into the arguments of `wiring/`. */

type Where = Pick<Context, "env" | "config" | "state">

/**
 * The configuration of this call: `--config`, else `./purser.yaml` if it exists, else defaults. The state directory is
 * `--state`, else `PURSER_STATE`, else the file's `state:`, else the platform's. `passphraseFile` is that of a flag, and
 * wins over `PURSER_PASSPHRASE_FILE`, which wins over the file. Throws `ERR_CONFIG`.
 */
export async function commandConfig(context: Where, passphraseFile?: string): Promise<ResolvedConfig> {
  const { loadConfig } = await import("../wiring/load-config.ts")
  return await loadConfig(locationOf(context, passphraseFile))
}

/** The configuration with secrets and apps from flags (`configFromFlags`). Throws `ERR_CONFIG`. */
export async function commandConfigWith(flags: ConfigSettings, context: Where): Promise<ResolvedConfig> {
  const { loadConfigWith } = await import("../wiring/load-config.ts")
  return await loadConfigWith(flags, locationOf(context))
}

function locationOf({ env, config, state }: Where, passphraseFile?: string): ConfigLocation {
  return {
    file: config,
    stateDir: state ?? (env["PURSER_STATE"] || undefined),
    passphraseFile: passphraseFile ?? (env["PURSER_PASSPHRASE_FILE"] || undefined),
  }
}

/** The context for opening sources and state. Asks for passphrases when there is a terminal. */
export function openContextOf(context: Pick<Context, "env" | "stdin" | "log" | "signal">): OpenContext {
  const { env, log } = context
  return {
    env,
    home: homedir(),
    log,
    async askPassphrase(key, purpose) {
      if (!canAsk(context)) return null
      const question = `passphrase of the ${key}'s key`
      return purpose === "new"
        ? await askNewPassword(`a ${question}`, context)
        : await askPassword(question, context)
    },
  }
}
