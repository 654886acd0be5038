import type { Ca } from "../ca/ca.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import { createCatalogue, type CatalogueDependencies } from "../sources/open-catalogue.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import { openCa } from "./open-ca.ts"
import type { OpenContext } from "./open-context.ts"
import { openStore } from "./open-store.ts"

/** All sources, and the CA if one of them needs it. */
export interface OpenCatalogue extends AsyncDisposable {
  readonly catalogue: Catalogue
}

/**
 * Opens the catalogue for a command that reads secrets. Certificates that it issues are not written to the audit log,
 * which belongs to the agent.
 */
export function openCatalogue(
  config: Pick<ResolvedConfig, "stateDir" | "sources">,
  context: OpenContext,
): OpenCatalogue {
  let ca: Ca | undefined
  const catalogue = catalogueOver(config, context, { ca: () => (ca ??= openCa(config, context)) })
  return {
    catalogue,
    async [Symbol.asyncDispose]() {
      await catalogue[Symbol.asyncDispose]()
      await ca?.[Symbol.asyncDispose]()
    },
  }
}

/** Opens the sources with a CA that the caller opens and closes. */
export function catalogueOver(
  config: Pick<ResolvedConfig, "stateDir" | "sources">,
  context: OpenContext,
  { ca, onIssued }: Pick<CatalogueDependencies, "ca" | "onIssued">,
): Catalogue {
  const { env, log } = context
  return createCatalogue(config.sources, { env, log, store: () => openStore(config, context), ca, onIssued })
}
