import { namesGiven, type HoldsGroup, type SourceKind, type SpecBase } from "./kind.ts"
import { sourceKinds } from "./kinds.ts"

/** Finds the kind of an entry of `secrets:`, both as the schema accepts it and as resolved. */

type Kinds = readonly SourceKind[]

/** Returns the kind of an entry as written: a word, or a mapping whose first key names it. */
export function kindOfEntry(entry: unknown, kinds: Kinds = sourceKinds): SourceKind {
  const key = typeof entry === "object" && entry !== null ? Object.keys(entry)[0] : entry
  return kindNamed(String(key), kinds)
}

export function kindOfSpec({ kind }: SpecBase, kinds: Kinds = sourceKinds): SourceKind {
  return kindNamed(kind, kinds)
}

function kindNamed(wanted: string, kinds: Kinds): SourceKind {
  const kind = kinds.find(({ name }) => name === wanted)
  if (kind === undefined) throw new TypeError(`there is no kind of source ${wanted}`)
  return kind
}

/** Returns the names and patterns of the secrets that entries give, as written. */
export function namesInEntries(entries: Readonly<Record<string, unknown>>, kinds?: Kinds): string[] {
  return Object.entries(entries).flatMap(([name, entry]) => namesGiven(kindOfEntry(entry, kinds), name))
}

/** Returns the same for resolved entries. */
export function namesInSpecs(specs: Readonly<Record<string, SpecBase>>, kinds?: Kinds): string[] {
  return Object.entries(specs).flatMap(([name, spec]) => namesGiven(kindOfSpec(spec, kinds), name))
}

/** Returns the entries that give a group; no secret is delivered under their own name. */
export function groupsIn(
  entries: Readonly<Record<string, unknown>>,
  kinds?: Kinds,
): [name: string, HoldsGroup][] {
  return Object.entries(entries).flatMap(([name, entry]): [string, HoldsGroup][] => {
    const { holds } = kindOfEntry(entry, kinds)
    return holds?.kind === "group" ? [[name, holds]] : []
  })
}

/** Returns a hint how to supply a secret that its source lacks, or undefined if there is none. */
export function missingHint(
  specs: Readonly<Record<string, SpecBase>>,
  secret: string,
  kinds?: Kinds,
): string | undefined {
  for (const [name, spec] of Object.entries(specs)) {
    const kind = kindOfSpec(spec, kinds)
    if (namesGiven(kind, name).includes(secret)) return kind.missingHint?.(spec, secret)
  }
  return undefined
}
