import { z } from "zod"
import { appsSchema, resolveApps } from "../apps/config.ts"
import { checkGroupUse } from "../apps/group-use.ts"
import { PurserError } from "../base/errors.ts"
import { caSchema, resolveCa, type CaConfig } from "../ca/config.ts"
import { checkConfig, parseConfig } from "../config/config-file.ts"
import { deepFreeze } from "../config/deep-freeze.ts"
import { configPath } from "../config/path.ts"
import { duration, filePath } from "../config/scalars.ts"
import { resolveSecrets, secretsSchema } from "../sources/schema.ts"
import { resolveStore, storeSchema } from "../sources/store/config.ts"
import { checkCertificates } from "./certificate-checks.ts"
import { checkDirectories, checkGrants } from "./cross-checks.ts"
import { limitsSchema, resolveLimitsConfig } from "./limits-config.ts"
import type { ResolvedConfig } from "./resolved-config.ts"
import type { ConfigSettings } from "./settings.ts"

/** The whole `purser.yaml`: joins the schemas of the folders' slices, and resolves them. */

const pause = duration.refine((ms) => ms >= 1000, {
  error: "too short",
  params: { hint: "use at least 1s" },
})

export const configSchema = z
  .strictObject({
    state: filePath.optional().describe("state directory; --state and PURSER_STATE take precedence"),
    secrets: secretsSchema.default({}),
    store: storeSchema.default({}),
    ca: caSchema.optional(),
    apps: appsSchema.default({}),
    every: pause.prefault("1h").describe("how often known nodes and directories are brought up to date"),
    discover: pause.prefault("5m").describe("how often new nodes are looked for"),
    limits: limitsSchema.prefault({}),
  })
  .superRefine((config, context) => {
    checkGroupUse(config, context)
    checkGrants(config, context)
    checkDirectories(config, context)
  })

export interface ResolveOptions {
  /** Absolute path of the file; undefined for a configuration from flags. */
  file: string | undefined
  /** Absolute path that relative paths are relative to. */
  directory: string
  /** Absolute path that takes precedence over the file's `state:`. */
  stateDir: string | undefined
  /** The state directory if neither is given. */
  defaultStateDir: string
  /** A `ca.yaml` beside the file, instead of its `ca:` part. */
  caFile?: { readonly name: string; readonly text: string } | undefined
  /** The actions that a program offers; undefined if they are not known yet. */
  ownActions?: readonly string[] | undefined
}

/** Resolves the text of a file, which messages call `name`. Throws `ERR_CONFIG`. */
export function resolveConfigText(text: string, name: string, options: ResolveOptions): ResolvedConfig {
  const caConfig = caFileConfig(options)
  return resolve(parseConfig(text, name, schemaWith(caConfig, options)).value, caConfig, options)
}

/** Resolves settings that a program or flags gave. Throws `ERR_CONFIG`. */
export function resolveConfig(config: ConfigSettings, options: ResolveOptions): ResolvedConfig {
  const caConfig = caFileConfig(options)
  return resolve(checkConfig(config, schemaWith(caConfig, options)).value, caConfig, options)
}

/** Returns the CA's configuration of a `ca.yaml`. */
function caFileConfig({ caFile, directory }: ResolveOptions): CaConfig | undefined {
  if (caFile === undefined) return undefined
  return resolveCa(parseConfig(caFile.text, caFile.name, caSchema).value, directory)
}

/** Returns the schema with the check of certificates against the CA's configuration, wherever that is. */
function schemaWith(caConfig: CaConfig | undefined, { ownActions, directory }: ResolveOptions) {
  return configSchema.superRefine((config, context) => {
    const ca = caConfig ?? resolveCa(config.ca ?? caSchema.parse({}), directory)
    checkCertificates(config, { ca, ownActions }, context)
  })
}

function resolve(
  config: z.output<typeof configSchema>,
  caConfig: CaConfig | undefined,
  options: ResolveOptions,
): ResolvedConfig {
  const { file, directory, stateDir, defaultStateDir, caFile } = options
  if (config.ca !== undefined && caFile !== undefined) {
    throw new PurserError("ERR_CONFIG", `both ca: and ${caFile.name} configure the CA`, {
      hint: `keep one of them; ${caFile.name} has the same keys as ca:`,
    })
  }
  const ca = caConfig ?? resolveCa(config.ca ?? caSchema.parse({}), directory)
  const limits = resolveLimitsConfig(config.limits)
  return deepFreeze({
    file,
    stateDir:
      stateDir ?? (config.state === undefined ? defaultStateDir : configPath(config.state, directory)),
    sources: {
      secrets: resolveSecrets(config.secrets, directory),
      store: resolveStore(config.store, directory),
      ca,
      secretBytes: limits.limits.secretBytes,
    },
    ca,
    apps: resolveApps(config.apps, { directory, ca }),
    everyMs: config.every,
    discoverMs: config.discover,
    ...limits,
  })
}

/** Returns the JSON Schema (2020-12) of `purser.yaml`. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" })
}
