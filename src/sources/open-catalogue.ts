import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import { Ca } from "../ca/ca.ts"
import type { Issued } from "./ca/source.ts"
import { SourceCatalogue, type Catalogue, type NamedSource } from "./catalogue.ts"
import { namesGiven, type OpenedKind, type SourceHost, type SourceKind, type SpecBase } from "./kind.ts"
import { kindOfSpec } from "./entries.ts"
import { sourceKinds, type SourceSpec } from "./kinds.ts"
import type { SourcesConfig } from "./schema.ts"
import type { Source } from "./source.ts"
import { readPassphrase, SecretStore } from "./store/store.ts"

export interface CatalogueDependencies {
  stateDir: string
  /** For `env:` sources, and for commands. */
  env: NodeJS.ProcessEnv
  log: Log
  /** Asks for the passphrase of the store's key; null when nobody can be asked. */
  askPassphrase?: (() => Promise<Secret | null>) | undefined
  /** For `ca:` sources. Default: one of its own, which it closes. */
  ca?: Ca | undefined
  /** Told before what a source had issued is given to anybody. */
  onIssued?: ((issued: Issued) => Promise<void>) | undefined
}

/** Opens each kind of source that the configuration has, and each of its entries. */
export function createCatalogue<Spec extends SpecBase = SourceSpec>(
  config: SourcesConfig<Spec>,
  dependencies: CatalogueDependencies,
  kinds: readonly SourceKind[] = sourceKinds,
): Catalogue {
  const owned = new AsyncDisposableStack()
  const host = hostOf(config, dependencies, { kinds, owned })
  const opened = new Map<SourceKind, OpenedKind>()
  const sources = Object.entries(config.secrets).flatMap(([name, spec]) => {
    const kind = kindOfSpec(spec, kinds)
    const shared = opened.get(kind) ?? kind.open(host)
    opened.set(kind, shared)
    return namedSources(kind, name, shared.source(spec))
  })
  return new SourceCatalogue(sources, dependencies.log, owned)
}

function hostOf(
  config: SourcesConfig<SpecBase>,
  dependencies: CatalogueDependencies,
  { kinds, owned }: { kinds: readonly SourceKind[]; owned: AsyncDisposableStack },
): SourceHost {
  const { stateDir, env, log, askPassphrase, onIssued } = dependencies
  let ca = dependencies.ca
  return {
    stateDir,
    env,
    log,
    maxBytes: config.secretBytes,
    storeConfig: config.store,
    caConfig: config.ca,
    askPassphrase,
    ca: () => (ca ??= owned.use(openCa(config, dependencies))),
    onIssued,
    namedFiles: new Set(
      Object.values(config.secrets).flatMap((spec) => kindOfSpec(spec, kinds).files?.(spec) ?? []),
    ),
  }
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

/** The CA of the state directory where nobody can be asked: its passphrase comes from the configured file. */
export function openCa(
  { ca: config, store, secretBytes: maxBytes }: SourcesConfig<SpecBase>,
  { stateDir, log, askPassphrase }: Pick<CatalogueDependencies, "stateDir" | "log" | "askPassphrase">,
): Ca {
  const { passphraseFile } = config
  return new Ca({
    stateDir,
    config,
    keys: new SecretStore({ stateDir, config: store, maxBytes, askPassphrase, directory: "ca/keys" }),
    passphrase: async () => (passphraseFile === undefined ? null : await readPassphrase(passphraseFile)),
    log,
  })
}
