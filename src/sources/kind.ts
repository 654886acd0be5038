import type { z } from "zod"
import type { Log } from "../base/log.ts"
import type { Ca } from "../ca/ca.ts"
import type { CaConfig } from "../ca/config.ts"
import type { Issued } from "./ca/renewal.ts"
import type { Source } from "./source.ts"
import type { SecretStore } from "./store/store.ts"

/**
 * A kind of source: how `purser.yaml` writes an entry of it, what that becomes, and how it is opened. Each kind has a
 * file in `kinds/` and a line in `kinds.ts`; of the rest only `settings.ts` knows which kinds there are, because it is
 * what programs read.
 */
export interface SourceKind<Schema extends z.ZodType = z.ZodType, Spec extends SpecBase = SpecBase> {
  /** The word that stands for it, or the first key of its mapping. */
  readonly name: Spec["kind"]
  readonly schema: Schema
  /** Absent: an entry gives one secret, under its own name. */
  readonly holds?: HoldsMany | HoldsGroup
  /** Reports what the schema cannot express. Not called for an entry under a pattern. */
  check?(entry: z.output<Schema>, use: EntryUse): void
  /** Paths of the entry are relative to `directory`. */
  resolve(entry: z.output<Schema>, directory: string): Spec
  /** Files that have their entry's name, so that a directory source need not find one for them. Absolute. */
  files?(spec: Spec): readonly string[]
  /** Called once in a catalogue that has such entries. */
  open(host: SourceHost): OpenedKind<Spec>
  /** The hint of `purser check` for a secret that the source does not have. */
  missingHint?(spec: Spec, name: string): string | undefined
}

/** Holds what the sources of a kind share, such as the store. */
export interface OpenedKind<Spec extends SpecBase = SpecBase> {
  /** Called once for each entry. The same source for two entries is watched once. */
  source(spec: Spec): Source
}

/** An entry with paths made absolute; the other keys are the kind's own. */
export interface SpecBase {
  /** The name of the {@link SourceKind}. */
  readonly kind: string
}

/** The entry may stand under a pattern, and gives whatever its source lists. */
export interface HoldsMany {
  readonly kind: "many"
  /** Whether the source is asked for whole names, or for what follows the prefix of the pattern. */
  readonly ask: "whole names" | "below the pattern"
}

/** The entry gives these secrets below its own name, always of one version ({@link Source.readGroup}). */
export interface HoldsGroup {
  readonly kind: "group"
  readonly names: readonly string[]
  /** For messages, behind "a" or "this": `certificate's set`. */
  readonly noun: string
}

/** The place of an entry in `secrets:`. */
export interface EntryUse {
  readonly name: string
  readonly report: (message: string, hint: string) => void
}

/** Given by a catalogue to the kinds it opens. */
export interface SourceHost {
  readonly env: NodeJS.ProcessEnv
  readonly log: Log
  /** The size limit of one secret. */
  readonly maxBytes: number
  readonly caConfig: CaConfig
  /** Purser's own store. */
  readonly store: () => SecretStore
  /** The CA of the state directory, opened when it is first asked for. */
  readonly ca: () => Ca
  /** Called before what a source had issued is given to anybody. */
  readonly onIssued: ((issued: Issued) => Promise<void>) | undefined
  /** The `files` of all entries. */
  readonly namedFiles: ReadonlySet<string>
}

/** The secrets that an entry gives: its own name or pattern, or those of its group. */
export function namesGiven({ holds }: SourceKind, entry: string): readonly string[] {
  return holds?.kind === "group" ? holds.names.map((own) => `${entry}/${own}`) : [entry]
}
