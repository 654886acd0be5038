import type { Catalogue } from "../sources/catalogue.ts"
import type { Context } from "./command.ts"
import type { PlainConfig, ResolvedConfig } from "./config-schema.ts"

/**
 * The configuration of this call: `--config`, else `./purser.yaml` if it exists, else defaults. The state
 * directory is `--state`, else `PURSER_STATE`, else the file's `state:`, else the platform's. Throws `ERR_CONFIG`.
 */
export function loadConfig(_context: Pick<Context, "env" | "config" | "state">): Promise<ResolvedConfig> {
  throw new Error("not written yet")
}

/** The same from flags (`configFromFlags`). */
export function resolvePlain(
  _config: PlainConfig,
  _context: Pick<Context, "env" | "state">,
): Promise<ResolvedConfig> {
  throw new Error("not written yet")
}

/** The sources of a configuration, asking for a passphrase on a terminal where one is needed. */
export function openCatalogue(_config: ResolvedConfig, _context: Context): Catalogue {
  throw new Error("not written yet")
}
