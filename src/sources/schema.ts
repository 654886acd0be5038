import { z } from "zod"
import { isDuration, parseDuration } from "../base/duration.ts"
import { isGrant, isPattern } from "../base/names.ts"
import { configPath } from "../base/path.ts"

/** The slices of `purser.yaml` that say where secrets come from: `secrets:` and `store:`. */

/** One entry of `secrets:`, with paths made absolute. */
export type SourceSpec =
  | { readonly kind: "store" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "dir"; readonly path: string }
  | { readonly kind: "env"; readonly variable: string }
  | {
      readonly kind: "exec"
      readonly argv: readonly [string, ...string[]]
      /** Where it runs. */
      readonly directory: string
      /** Picks from JSON or YAML output; undefined: all of the output. */
      readonly key: string | undefined
      /** Keep the newline at the end of the output. */
      readonly raw: boolean
      readonly timeoutMs: number
    }
  | { readonly kind: "age"; readonly path: string; readonly identityFile: string }

/** `store:`, how Purser's own store is encrypted. Nothing given: by `store.key` in the state directory. */
export interface StoreConfig {
  /** Absolute; holds the passphrase of `store.key`. */
  readonly passphraseFile: string | undefined
  /** The user's own age recipients, in the place of `store.key`. */
  readonly recipients: readonly string[] | undefined
  /** Absolute; opens what was encrypted to `recipients`. */
  readonly identityFile: string | undefined
}

/** All that the catalogue needs of the configuration. */
export interface SourcesConfig {
  /** By name, or by pattern (`quotes/*`, `*`). No prototype: look up with `Object.hasOwn` or by entries. */
  readonly secrets: Readonly<Record<string, SourceSpec>>
  readonly store: StoreConfig
  /** Of one secret. */
  readonly secretBytes: number
}

/** A duration of `purser.yaml`: text there, milliseconds once it is read. */
export const duration = z
  .string()
  .refine(isDuration, {
    error: "not a duration",
    params: { hint: "a number and a unit: 250ms, 30s, 5m, 1h, 7d" },
  })
  .meta({ examples: ["30s", "5m", "1h"], pattern: "^\\d{1,9}(ms|s|m|h|d)$" })
  .transform(parseDuration)

/** The name of a secret, or a pattern. */
export const grant = z.string().refine(isGrant, {
  error: "not a name for a secret",
  params: {
    hint: "one to eight segments of A-Z a-z 0-9 . _ - joined by /; the only patterns are a trailing /* and a bare *",
  },
})

const path = z.string().min(1)

const sourceSchema = z.union([
  z.literal("store").describe("Purser's own store: purser secret set NAME"),
  z.strictObject({ file: path.describe("the content of this file") }),
  z.strictObject({ dir: path.describe("every file of this directory, by its relative name") }),
  z.strictObject({
    env: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "not the name of a variable" })
      .describe("a variable in the environment of the agent; an empty one counts as absent"),
  }),
  z.strictObject({
    exec: z.array(z.string()).min(1).describe("program and arguments, run without a shell"),
    key: z.string().min(1).optional().describe("picks a.b from JSON or YAML output"),
    raw: z.boolean().optional().describe("keep the newline at the end of the output"),
    timeout: duration.prefault("30s").describe("time limit"),
  }),
  z.strictObject({
    age: path.describe("a file encrypted with age, armored or not"),
    identity_file: path.describe("age identities that open it"),
  }),
])

export const secretsSchema = z
  .record(grant, sourceSchema)
  .superRefine((secrets, context) => {
    for (const [name, source] of Object.entries(secrets)) {
      const report = (message: string, hint: string): void =>
        context.addIssue({ code: "custom", path: [name], message, params: { hint } })
      const holdsMany = source === "store" || "dir" in source
      if (isPattern(name) && !holdsMany) {
        report("a pattern needs a source that holds many", "use store or { dir: … }, or a name without *")
      }
      if (!isPattern(name) && source !== "store") {
        if ("dir" in source) report("a directory needs a pattern", `write "${name}/*": { dir: … }`)
        if ("exec" in source && source.key !== undefined && source.raw === true) {
          report(
            "key and raw exclude each other",
            "leave out raw: what key picks has no newline of the output",
          )
        }
      }
    }
  })
  .describe("where secrets come from: name, or pattern with a trailing /*, to source")

export const storeSchema = z
  .strictObject({
    passphrase_file: path.optional().describe("holds the passphrase of store.key"),
    recipients: z
      .array(z.string().regex(/^age1[0-9a-z]{10,}$/, { error: "not an age recipient" }))
      .min(1)
      .optional()
      .describe("your own age recipients (age1…), in the place of store.key"),
    identity_file: path.optional().describe("age identities that open what the recipients can open"),
  })
  .superRefine((store, context) => {
    if ((store.recipients === undefined) === (store.identity_file === undefined)) return
    const [has, lacks] =
      store.recipients === undefined ? ["identity_file", "recipients"] : ["recipients", "identity_file"]
    context.addIssue({ code: "custom", message: `${has} needs ${lacks} beside it` })
  })
  .describe("how Purser's own store is encrypted")

/** `directory`: what relative paths are relative to. */
export function resolveSecrets(
  secrets: z.infer<typeof secretsSchema>,
  directory: string,
): Readonly<Record<string, SourceSpec>> {
  const resolved = Object.create(null) as Record<string, SourceSpec>
  for (const [name, source] of Object.entries(secrets)) resolved[name] = resolveSource(source, directory)
  return resolved
}

function resolveSource(source: z.infer<typeof sourceSchema>, directory: string): SourceSpec {
  if (source === "store") return { kind: "store" }
  if ("file" in source) return { kind: "file", path: configPath(source.file, directory) }
  if ("dir" in source) return { kind: "dir", path: configPath(source.dir, directory) }
  if ("env" in source) return { kind: "env", variable: source.env }
  if ("age" in source) {
    const identityFile = configPath(source.identity_file, directory)
    return { kind: "age", path: configPath(source.age, directory), identityFile }
  }
  const { exec, key, raw = false, timeout } = source
  // The schema wants one at least.
  return {
    kind: "exec",
    argv: exec as [string, ...string[]],
    directory,
    key,
    raw,
    timeoutMs: timeout,
  }
}

export function resolveStore(store: z.infer<typeof storeSchema>, directory: string): StoreConfig {
  const absolute = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : configPath(text, directory)
  return {
    passphraseFile: absolute(store.passphrase_file),
    recipients: store.recipients,
    identityFile: absolute(store.identity_file),
  }
}
