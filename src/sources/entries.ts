import { namesGiven, type HoldsGroup, type SourceKind, type SpecBase } from "./kind.ts"
import { sourceKinds } from "./kinds.ts"

/**
 * Looks entries of `secrets:` up in the list of kinds, both as the schema lets them through and as they are resolved.
 */

type Kinds = readonly SourceKind[]

/** The kind of an entry as it is written: a word, or a mapping whose first key says it. */
export function kindOfEntry(entry: unknown, kinds: Kinds = sourceKinds): SourceKind {
  const key = typeof entry === "object" && entry !== null ? Object.keys(entry)[0] : entry
  return kindCalled(String(key), kinds)
}

export function kindOfSpec({ kind }: SpecBase, kinds: Kinds = sourceKinds): SourceKind {
  return kindCalled(kind, kinds)
}

function kindCalled(wanted: string, kinds: Kinds): SourceKind {
  const kind = kinds.find(({ name }) => name === wanted)
  if (kind === undefined) throw new TypeError(`there is no kind of source ${wanted}`)
  return kind
}

/** The names and patterns that these entries give secrets for, as they are written. */
export function namesInEntries(entries: Readonly<Record<string, unknown>>, kinds?: Kinds): string[] {
  return Object.entries(entries).flatMap(([name, entry]) => namesGiven(kindOfEntry(entry, kinds), name))
}

/** The same of resolved ones. */
export function namesInSpecs(specs: Readonly<Record<string, SpecBase>>, kinds?: Kinds): string[] {
  return Object.entries(specs).flatMap(([name, spec]) => namesGiven(kindOfSpec(spec, kinds), name))
}

/** Entries whose own name is that of a group, so that nothing is delivered under it. */
export function groupsIn(
  entries: Readonly<Record<string, unknown>>,
  kinds?: Kinds,
): [name: string, HoldsGroup][] {
  return Object.entries(entries).flatMap(([name, entry]): [string, HoldsGroup][] => {
    const { holds } = kindOfEntry(entry, kinds)
    return holds?.kind === "group" ? [[name, holds]] : []
  })
}

/** How to give the source of this secret what it lacks; undefined where nothing can be said. */
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
