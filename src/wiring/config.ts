import { resolve as resolvePath, sep } from "node:path"
import { z } from "zod"
import { appSchema, grantOf, resolveApp, type AppConfig } from "../apps/config.ts"
import { checkCertificates } from "../apps/certificate-config.ts"
import { checkGroupUse } from "../apps/group-use.ts"
import { checkConfig, deepFreeze, parseConfig } from "../config/config-file.ts"
import { PurserError, reasonOf } from "../base/errors.ts"
import { grantCovers, isAppName, isPattern } from "../base/names.ts"
import { nearest } from "../config/nearest.ts"
import { configPath } from "../config/path.ts"
import { duration, filePath, wholeNumber } from "../config/scalars.ts"
import { caSchema, resolveCa, type CaConfig } from "../ca/config.ts"
import { hardSecretBytes, resolveLimits, type ChannelLimits } from "../channel/limits.ts"
import { namesInEntries } from "../sources/entries.ts"
import { resolveSecrets, secretsSchema, type SourcesConfig } from "../sources/schema.ts"
import { resolveStore, storeSchema } from "../sources/store/config.ts"

/** `purser.yaml` as a whole: its schema out of the slices of the parts, and what it becomes. */

/** `purser.yaml`, resolved and frozen: the same whether it came from a file, from flags, or from nothing. */
export interface ResolvedConfig {
  /** Absolute; undefined when there is none. */
  readonly file: string | undefined
  /** Absolute. */
  readonly stateDir: string
  readonly sources: SourcesConfig
  readonly ca: CaConfig
  /** No prototype: look up with `Object.hasOwn` or by entries. */
  readonly apps: Readonly<Record<string, AppConfig>>
  /** Between deliveries to a known target. */
  readonly everyMs: number
  /** Between looks for new nodes. */
  readonly discoverMs: number
  readonly limits: ChannelLimits
  /** Targets served at a time. */
  readonly parallel: number
  /** Time limit of one action. */
  readonly actionMs: number
}

/** What stands in a `purser.yaml`, before anything is resolved. */
export type PlainConfig = z.input<typeof configSchema>

const pause = duration.refine((ms) => ms >= 1000, {
  error: "too short",
  params: { hint: "1s at least" },
})

const limitsSchema = z
  .strictObject({
    secret_bytes: wholeNumber(1, hardSecretBytes).optional().describe("of one secret; default 1 MiB"),
    handshake: duration.optional().describe("TCP and TLS; default 10s"),
    frame: duration.optional().describe("each whole frame; default 30s"),
    session: duration.optional().describe("a whole session; default 5m"),
    requests: wholeNumber(1, 1_000_000).optional().describe("in one session; default 1000"),
    frame_bytes: wholeNumber(1024, 1024 * 1024)
      .optional()
      .describe("one line; default 65536"),
    chunk_bytes: wholeNumber(1, 32_768).optional().describe("content in one line; default 32768"),
    depth: wholeNumber(3, 64).optional().describe("nesting in one line; default 8"),
    parallel: wholeNumber(1, 10_000).default(64).describe("nodes and directories served at a time"),
    action: duration.prefault("20s").describe("one action; default 20s, and less than a frame may take"),
  })
  .superRefine((limits, context) => {
    try {
      channelLimits(limits)
    } catch (error) {
      // There the limits have the names of code.
      const hint =
        error instanceof PurserError ? error.hint?.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : undefined
      context.addIssue({ code: "custom", message: reasonOf(error), params: { hint } })
    }
  })
  .describe("limits of the channel and of the agent")

export const configSchema = z
  .strictObject({
    state: filePath.optional().describe("state directory; --state and PURSER_STATE win over it"),
    secrets: secretsSchema.default({}),
    store: storeSchema.default({}),
    ca: caSchema.optional(),
    apps: z
      .record(
        z.string().refine(isAppName, {
          error: "not a name for an app",
          params: { hint: "use 1 to 63 of a-z 0-9 -, starting with a letter or digit" },
        }),
        appSchema,
      )
      .default({})
      .describe("who gets what"),
    every: pause.prefault("1h").describe("how often known nodes and directories are brought up to date"),
    discover: pause.prefault("5m").describe("how often new nodes are looked for"),
    limits: limitsSchema.prefault({}),
  })
  .superRefine((config, context) => {
    checkGroupUse(config, context)
    const given = namesInEntries(config.secrets)
    for (const [app, { secrets }] of Object.entries(config.apps)) {
      for (const [index, entry] of secrets.entries()) {
        const name = grantOf(entry)
        if (isPattern(name) || given.some((pattern) => grantCovers(pattern, name))) continue
        // Reported as a group.
        if (Object.hasOwn(config.secrets, name)) continue
        const near = nearest(name, given)
        const hint =
          near === undefined
            ? `add ${name}: store (or another source) to secrets:`
            : `did you mean "${near}"?`
        const path = ["apps", app, "secrets", index]
        context.addIssue({ code: "custom", path, message: `no source gives ${name}`, params: { hint } })
      }
    }
    const filled = Object.entries(config.apps).filter(([, { directory }]) => directory !== undefined)
    for (const [index, [app, { directory = "" }]] of filled.entries()) {
      const other = filled.slice(0, index).find(([, earlier]) => overlap(earlier.directory ?? "", directory))
      if (other === undefined) continue
      context.addIssue({
        code: "custom",
        path: ["apps", app, "directory"],
        message: `lies where ${other[0]} has its directory`,
        params: {
          hint: "give each app a directory of its own: they would take each other's files for left-overs",
        },
      })
    }
  })

/** Whether one is the other, or below it. Both are relative to the same place. */
function overlap(a: string, b: string): boolean {
  const [one, two] = [resolvePath("/", a) + sep, resolvePath("/", b) + sep]
  return one.startsWith(two) || two.startsWith(one)
}

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
export function resolveConfig(config: PlainConfig, options: ResolveOptions): ResolvedConfig {
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
  const limits = channelLimits(config.limits)
  const apps = Object.create(null) as Record<string, AppConfig>
  for (const [name, app] of Object.entries(config.apps)) apps[name] = resolveApp(name, app, { directory, ca })
  return deepFreeze({
    file,
    stateDir:
      stateDir ?? (config.state === undefined ? defaultStateDir : configPath(config.state, directory)),
    sources: {
      secrets: resolveSecrets(config.secrets, directory),
      store: resolveStore(config.store, directory),
      ca,
      secretBytes: limits.secretBytes,
    },
    ca,
    apps,
    everyMs: config.every,
    discoverMs: config.discover,
    limits,
    parallel: config.limits.parallel,
    actionMs: config.limits.action,
  })
}

function channelLimits(limits: z.output<typeof limitsSchema>): ChannelLimits {
  const { secret_bytes, handshake, frame, session, requests, frame_bytes, chunk_bytes, depth } = limits
  return resolveLimits({
    ...(secret_bytes === undefined ? {} : { secretBytes: secret_bytes }),
    ...(handshake === undefined ? {} : { handshakeMs: handshake }),
    ...(frame === undefined ? {} : { frameMs: frame }),
    ...(session === undefined ? {} : { sessionMs: session }),
    ...(requests === undefined ? {} : { requests }),
    ...(frame_bytes === undefined ? {} : { frameBytes: frame_bytes }),
    ...(chunk_bytes === undefined ? {} : { chunkBytes: chunk_bytes }),
    ...(depth === undefined ? {} : { depth }),
  })
}

/** JSON Schema (2020-12) of `purser.yaml`. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" })
}
