import { stringify } from "yaml"
import type { Protocol, TrustMode } from "../../apps/settings.ts"
import { nodeFromFlag } from "../../apps/discovery/entry.ts"
import type { ConfigSettings } from "../../wiring/settings.ts"
import { PurserError } from "../../base/errors.ts"
import { parseAppName, parseSecretName } from "../../base/names.ts"

/** Converts the flags of a single app to the equivalent `purser.yaml`. */

/** The flags of `purser agent` that replace a file; durations, file lines and so on as text. */
export interface ConfigFlags {
  app: string
  secrets?: readonly string[] | undefined
  dir?: string | undefined
  /** `HOST[:PORT]`, `dns:NAME[:PORT]`, `srv:NAME`, `flux:APP[:PORT]`. */
  nodes?: readonly string[] | undefined
  directory?: string | undefined
  files?: readonly string[] | undefined
  reload?: string | undefined
  requireTmpfs?: boolean | undefined
  actions?: readonly string[] | undefined
  protocol?: Protocol | undefined
  /** Default: `discovered` with `protocol: fluxvault`, else that of purser.yaml. */
  trust?: TrustMode | undefined
  pins?: readonly string[] | undefined
  maxNodes?: number | undefined
  requirePq?: boolean | undefined
  every?: string | undefined
  discover?: string | undefined
}

/** The object that reading the equivalent `purser.yaml` gives. Throws `ERR_USAGE` and `ERR_NAME`. */
export function configFromFlags(flags: ConfigFlags): ConfigSettings {
  const { secrets = [], dir } = flags
  if (secrets.length === 0 && dir === undefined) {
    throw new PurserError("ERR_USAGE", `nothing is granted to ${parseAppName(flags.app)}`, {
      hint: "grant secrets with --secret NAME, or a whole directory with --dir DIR, or write a purser.yaml",
    })
  }
  const names = [...new Set(secrets.map(parseSecretName))]
  const sources = Object.fromEntries(names.map((name) => [name, "store" as const]))
  return withoutUndefined({
    secrets: { ...sources, ...(dir === undefined ? {} : { "*": { dir } }) },
    apps: {
      [parseAppName(flags.app)]: withoutUndefined({
        secrets: [...names, ...(dir === undefined ? [] : ["*"])],
        actions: flags.actions,
        protocol: flags.protocol,
        trust: flags.trust ?? (flags.protocol === "fluxvault" ? "discovered" : undefined),
        pins: flags.pins,
        max_nodes: flags.maxNodes,
        require_pq: flags.requirePq,
        nodes: flags.nodes?.map((node) => nodeFromFlag(node)),
        directory: flags.directory,
        files: flags.files,
        reload: flags.reload,
        require_tmpfs: flags.requireTmpfs,
      }),
    },
    every: flags.every,
    discover: flags.discover,
  }) as ConfigSettings
}

/** The YAML for `--print-config`. Reading it gives the same object. */
export function printConfig(config: ConfigSettings): string {
  return stringify(config, { lineWidth: 0 })
}

function withoutUndefined(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
