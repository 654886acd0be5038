import { z } from "zod"
import { grantCovers, isPattern, isSecretName } from "../base/names.ts"
import { PurserError } from "../base/errors.ts"
import { configPath } from "../config/path.ts"
import { certificateName, duration, filePath, grant } from "../config/scalars.ts"
import { checkNames, type CertificateSpec } from "../ca/certificate-spec.ts"
import { keyTypes, type CaConfig } from "../ca/config.ts"

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
  | CaSpec

/** A certificate's set. */
export interface CaSpec {
  readonly kind: "ca"
  /** Certificate name. */
  readonly name: string
  /** Undefined: it is issued by hand, or imported. */
  readonly ask: CertificateSpec | undefined
}

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
  /** Of `ca:` sources. */
  readonly ca: CaConfig
  /** Of one secret. */
  readonly secretBytes: number
}

const caSchema = z.strictObject({
  ca: certificateName.describe(
    "a certificate's set: tls.crt, tls.key and ca.crt below the name of this entry",
  ),
  dns: z
    .array(z.string())
    .default([])
    .describe("host names; with any name it is issued and renewed by itself"),
  ip: z.array(z.string()).default([]).describe("addresses"),
  email: z.array(z.string()).default([]).describe("mail addresses"),
  client: z.boolean().default(false).describe("it may prove a client too"),
  days: z.int().min(1).max(3650).optional().describe("how long it is valid; default: ca.days.leaf"),
  key: z.enum(keyTypes).optional().describe("default: ca.keys.leaf"),
})

type CaEntry = z.output<typeof caSchema>

const sourceSchema = z.union([
  z.literal("store").describe("Purser's own store: purser secret set NAME"),
  z.strictObject({ file: filePath.describe("the content of this file") }),
  z.strictObject({ dir: filePath.describe("every file of this directory, by its relative name") }),
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
    age: filePath.describe("a file encrypted with age, armored or not"),
    identity_file: filePath.describe("age identities that open it"),
  }),
  caSchema,
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
        if ("ca" in source) {
          checkSet(name, Object.keys(secrets), report)
          checkAsk(source, report)
        }
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

/** The three names below an entry `{ ca: … }`, and nothing else may give them. */
function checkSet(
  name: string,
  all: readonly string[],
  report: (message: string, hint: string) => void,
): void {
  const names = namesOfSet(name)
  if (!names.every((one) => isSecretName(one)))
    report("too long a name: what is below it is no name for a secret", "use a shorter one")
  const other = all.find((one) => one.startsWith(`${name}/`) && names.some((of) => grantCovers(one, of)))
  if (other !== undefined)
    report(`${other} gives names that this certificate's set has`, "give one of the two another name")
}

function checkAsk(source: CaEntry, report: (message: string, hint: string) => void): void {
  try {
    if (askOf(source) !== undefined) return
  } catch (error) {
    if (!(error instanceof PurserError)) throw error
    return report(error.message, error.hint ?? "")
  }
  const [lone] = (["days", "key"] as const).filter((key) => source[key] !== undefined)
  if (lone !== undefined || source.client)
    report(`${lone ?? "client"} has no meaning without names`, "add dns:, ip: or email:, or leave it out")
}

/** Undefined without any name. Throws `ERR_CA_POLICY` for what is no name. */
function askOf({ dns, ip, email, client, days, key }: CaEntry): CertificateSpec | undefined {
  if (dns.length + ip.length + email.length === 0) return undefined
  return checkNames({
    dns,
    ip,
    email,
    client,
    ...(days === undefined ? {} : { days }),
    ...(key === undefined ? {} : { key }),
  })
}

/** What a certificate's set holds. */
export const setNames = ["tls.crt", "tls.key", "ca.crt"] as const

/** The secrets that an entry `{ ca: … }` of `secrets:` gives. */
export function namesOfSet(entry: string): readonly string[] {
  return setNames.map((own) => `${entry}/${own}`)
}

/** The entries `{ ca: … }`, without those whose names are wrong, which has been reported. */
export function certificatesIn(secrets: z.output<typeof secretsSchema>): [entry: string, CaSpec][] {
  return Object.entries(secrets).flatMap(([entry, source]): [string, CaSpec][] => {
    if (source === "store" || !("ca" in source)) return []
    try {
      return [[entry, { kind: "ca", name: source.ca, ask: askOf(source) }]]
    } catch (error) {
      if (error instanceof PurserError) return []
      throw error
    }
  })
}

export const storeSchema = z
  .strictObject({
    passphrase_file: filePath.optional().describe("holds the passphrase of store.key"),
    recipients: z
      .array(z.string().regex(/^age1[0-9a-z]{10,}$/, { error: "not an age recipient" }))
      .min(1)
      .optional()
      .describe("your own age recipients (age1…), in the place of store.key"),
    identity_file: filePath.optional().describe("age identities that open what the recipients can open"),
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
  if ("ca" in source) return { kind: "ca", name: source.ca, ask: askOf(source) }
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
