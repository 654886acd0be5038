import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { SourcesConfig } from "./schema.ts"

/**
 * All sources behind one door: which source gives which name. It knows nothing
 * of apps and grants beyond matching names against the patterns it is given.
 */
export interface Catalogue extends AsyncDisposable {
  /** Null when no source gives it. Throws `ERR_NAME`, `ERR_SOURCE`, `ERR_STORE` or `ERR_SECRET_TOO_LARGE`. */
  read(name: string, signal: AbortSignal): Promise<Secret | null>
  /** Every name that these grants cover now, sorted: named ones whether or not their source has them, and what patterns find. */
  names(grants: readonly string[], signal: AbortSignal): Promise<string[]>
  /** Tells which secrets may have changed, from directories and the store; the others have to be read again. Errors are logged. */
  watch(onChange: (names: readonly string[] | "all") => void): void
}

export interface CatalogueDependencies {
  stateDir: string
  /** For `env:` sources, and for commands. */
  env: NodeJS.ProcessEnv
  log: Log
  /** Asks for the passphrase of the store's key; null when nobody can be asked. */
  askPassphrase?: () => Promise<Secret | null>
}

export function createCatalogue(_config: SourcesConfig, _dependencies: CatalogueDependencies): Catalogue {
  throw new Error("not written yet")
}
