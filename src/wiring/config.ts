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

/** `purser.yaml` as a whole: its schema out of the slices of the folders, and what it becomes. */

const pause = duration.refine((ms) => ms >= 1000, {
  error: "too short",
  params: { hint: "1s at least" },
})

export const configSchema = z
  .strictObject({
    state: filePath.optional().describe("state directory; --state and PURSER_STATE win over it"),
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
  /** Absolute; undefined for flags. */
  file: string | undefined
  /** Absolute; relative paths are relative to it. */
  directory: string
  /** Absolute; wins over the file's `state:`. */
  stateDir: string | undefined
  /** Where neither says it. */
  defaultStateDir: string
  /** A `ca.yaml` beside the file, in the place of its `ca:` part. */
  caFile?: { readonly name: string; readonly text: string } | undefined
  /** Actions that a program offers. Undefined: it is not known yet who will offer what. */
  ownActions?: readonly string[] | undefined
}

/** `name` is how messages call the file. Throws `ERR_CONFIG`. */
export function resolveConfigText(text: string, name: string, options: ResolveOptions): ResolvedConfig {
  const caConfig = caFileConfig(options)
  return resolve(parseConfig(text, name, schemaWith(caConfig, options)).value, caConfig, options)
}

/** Throws `ERR_CONFIG`. */
export function resolveConfig(config: ConfigSettings, options: ResolveOptions): ResolvedConfig {
  const caConfig = caFileConfig(options)
  return resolve(checkConfig(config, schemaWith(caConfig, options)).value, caConfig, options)
}

/** What a `ca.yaml` says. */
function caFileConfig({ caFile, directory }: ResolveOptions): CaConfig | undefined {
  if (caFile === undefined) return undefined
  return resolveCa(parseConfig(caFile.text, caFile.name, caSchema).value, directory)
}

/** Certificates are checked against the CA's configuration, wherever that stands. */
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
      hint: `keep one of them: what stands below ca: is what ${caFile.name} holds`,
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

/** JSON Schema (2020-12) of `purser.yaml`. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" })
}
