import type { Log } from "../base/log.ts"
import type { Ca } from "../ca/ca.ts"
import type { Issued } from "./ca/renewal.ts"
import { SourceCatalogue, type Catalogue, type NamedSource } from "./catalogue.ts"
import { namesGiven, type OpenedKind, type SourceHost, type SourceKind, type SpecBase } from "./kind.ts"
import { kindOfSpec } from "./entries.ts"
import { sourceKinds, type SourceSpec } from "./kinds.ts"
import type { SourcesConfig } from "./schema.ts"
import type { Source } from "./source.ts"
import type { SecretStore } from "./store/store.ts"

export interface CatalogueDependencies {
  /** The environment of `env:` sources and of commands. */
  env: NodeJS.ProcessEnv
  log: Log
  /** Returns Purser's own store; called when the first source needs it. */
  store: () => SecretStore
  /**
   * Returns the CA of the state directory; called when the first source needs it. The caller closes it, after the
   * catalogue.
   */
  ca: () => Ca
  /** Called before a certificate that a source has issued is delivered. */
  onIssued?: ((issued: Issued) => Promise<void>) | undefined
}

/** Opens each kind of source that the configuration uses, and each of its entries. */
export function createCatalogue<Spec extends SpecBase = SourceSpec>(
  config: Pick<SourcesConfig<Spec>, "secrets" | "ca" | "secretBytes">,
  { env, log, store, ca, onIssued }: CatalogueDependencies,
  kinds: readonly SourceKind[] = sourceKinds,
): Catalogue {
  const specs = Object.values<Spec>(config.secrets)
  const host: SourceHost = {
    env,
    log,
    maxBytes: config.secretBytes,
    store,
    ca,
    caConfig: config.ca,
    onIssued,
    namedFiles: new Set(specs.flatMap((spec) => kindOfSpec(spec, kinds).files?.(spec) ?? [])),
  }
  const opened = new Map<SourceKind, OpenedKind>()
  const sources = Object.entries<Spec>(config.secrets).flatMap(([name, spec]) => {
    const kind = kindOfSpec(spec, kinds)
    const shared = opened.get(kind) ?? kind.open(host)
    opened.set(kind, shared)
    return namedSources(kind, name, shared.source(spec))
  })
  return new SourceCatalogue(sources, log)
}

function namedSources(kind: SourceKind, name: string, source: Source): NamedSource[] {
  const { holds } = kind
  const prefix =
    holds?.kind === "group"
      ? `${name}/`
      : holds?.kind === "many" && holds.ask === "below the pattern"
        ? name.slice(0, -1)
        : ""
  return namesGiven(kind, name).map((pattern) => ({ kind: kind.name, pattern, source, prefix }))
}
