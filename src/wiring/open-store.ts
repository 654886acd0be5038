import { SecretStore, type StoreOptions } from "../sources/store/store.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import type { OpenContext } from "./open-context.ts"

/** Opens Purser's own store, or the store of the certificates' keys, which has the same encryption. */
export function openStore(
  { stateDir, sources }: Pick<ResolvedConfig, "stateDir" | "sources">,
  { askPassphrase }: Pick<OpenContext, "askPassphrase">,
  directory: NonNullable<StoreOptions["directory"]> = "secrets",
): SecretStore {
  return new SecretStore({
    stateDir,
    config: sources.store,
    maxBytes: sources.secretBytes,
    askPassphrase: async () => (await askPassphrase?.("store", "open")) ?? null,
    directory,
  })
}
