import { z } from "zod"
import { grantCovers, isPattern, isSecretName } from "../base/names.ts"
import type { CaConfig } from "../ca/config.ts"
import { grant } from "../config/scalars.ts"
import { namesGiven, type SourceKind, type SpecBase } from "./kind.ts"
import { kindOfEntry } from "./entries.ts"
import { sourceKinds, type SourceSpec } from "./kinds.ts"
import type { StoreConfig } from "./store/config.ts"

/** The slice of `purser.yaml` under `secrets:`. Each kind of source contributes its own schema. */

/** The part of the configuration that the catalogue needs. */
export interface SourcesConfig<Spec extends SpecBase = SourceSpec> {
  /** Keyed by name or pattern (`quotes/*`, `*`). It has no prototype: look up with `Object.hasOwn` or by entries. */
  readonly secrets: Readonly<Record<string, Spec>>
  readonly store: StoreConfig
  /** The configuration of the CA for `ca:` sources. */
  readonly ca: CaConfig
  /** The size limit of one secret in bytes. */
  readonly secretBytes: number
}

type Report = (message: string, hint: string) => void

/** Returns the schema of `secrets:` with entries of these kinds. */
export function secretsSchemaOf<const Kinds extends readonly SourceKind[]>(kinds: Kinds) {
  const schema = z
    .record(grant, z.union(kinds.map(({ schema }) => schema)))
    .superRefine((secrets, context) => {
      for (const [name, entry] of Object.entries(secrets)) {
        const report: Report = (message, hint) =>
          context.addIssue({ code: "custom", path: [name], message, params: { hint } })
        checkEntry(kinds, { name, entry, all: Object.keys(secrets) }, report)
      }
    })
    .describe("where secrets come from: name, or pattern with a trailing /*, to source")
  // The array's element type is a common one, so the types of the single schemas are restored here.
  return schema as unknown as z.ZodType<
    Record<string, z.output<Kinds[number]["schema"]>>,
    Record<string, z.input<Kinds[number]["schema"]>>
  >
}

export const secretsSchema = secretsSchemaOf(sourceKinds)

interface NamedEntry {
  readonly name: string
  readonly entry: unknown
  /** The names of all entries. */
  readonly all: readonly string[]
}

function checkEntry(kinds: readonly SourceKind[], { name, entry, all }: NamedEntry, report: Report): void {
  const kind = kindOfEntry(entry, kinds)
  if (isPattern(name)) {
    if (kind.holds?.kind === "many") return
    const ways = kinds.filter(({ holds }) => holds?.kind === "many").map(formOf)
    report("a pattern needs a source that holds many", `use ${ways.join(" or ")}, or a name without *`)
    return
  }
  checkGroup(kind, { name, all }, report)
  kind.check?.(entry, { name, report })
}

/** Reports names below a group's entry that are invalid or that another entry gives too. */
function checkGroup(kind: SourceKind, { name, all }: Omit<NamedEntry, "entry">, report: Report): void {
  if (kind.holds?.kind !== "group") return
  const names = namesGiven(kind, name)
  if (!names.every((one) => isSecretName(one)))
    report("the name is too long: the names below it are not valid names of secrets", "use a shorter name")
  const other = all.find((one) => one.startsWith(`${name}/`) && names.some((of) => grantCovers(one, of)))
  if (other !== undefined)
    report(`${other} gives names that this ${kind.holds.noun} has`, "give one of the two another name")
}

/** Returns the form of an entry in `purser.yaml`, for hints. */
function formOf({ name, schema }: SourceKind): string {
  return schema instanceof z.ZodLiteral ? name : `{ ${name}: … }`
}

/**
 * Resolves all entries; relative paths are relative to `directory`. Throws `ERR_CA_POLICY` for an invalid certificate
 * name.
 */
export function resolveSecrets(
  secrets: z.output<typeof secretsSchema>,
  directory: string,
): Readonly<Record<string, SourceSpec>>
export function resolveSecrets(
  secrets: Readonly<Record<string, unknown>>,
  directory: string,
  kinds: readonly SourceKind[],
): Readonly<Record<string, SpecBase>>
export function resolveSecrets(
  secrets: Readonly<Record<string, unknown>>,
  directory: string,
  kinds: readonly SourceKind[] = sourceKinds,
): Readonly<Record<string, SpecBase>> {
  const resolved = Object.create(null) as Record<string, SpecBase>
  for (const [name, entry] of Object.entries(secrets))
    resolved[name] = kindOfEntry(entry, kinds).resolve(entry, directory)
  return resolved
}
