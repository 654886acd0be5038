import type { z } from "zod"
import type { Log } from "../base/log.ts"
import type { Ca } from "../ca/ca.ts"
import type { CaConfig } from "../ca/config.ts"
import type { Issued } from "./ca/renewal.ts"
import type { Source } from "./source.ts"
import type { SecretStore } from "./store/store.ts"

/**
 * A kind of source: the form of its entry in `purser.yaml`, the resolved entry, and how it is opened. Each kind has a
 * file in `kinds/` and a line in `kinds.ts`. Besides these only `settings.ts` names the kinds, because it documents
 * them for programs.
 */
export interface SourceKind<Schema extends z.ZodType = z.ZodType, Spec extends SpecBase = SpecBase> {
  /** The word of its entry, or the first key of its mapping. */
  readonly name: Spec["kind"]
  readonly schema: Schema
  /** Absent for a kind whose entry gives one secret, under its own name. */
  readonly holds?: HoldsMany | HoldsGroup
  /** Reports errors that the schema cannot express. Not called for an entry under a pattern. */
  check?(entry: z.output<Schema>, use: EntryUse): void
  /** Resolves an entry; its paths are relative to `directory`. */
  resolve(entry: z.output<Schema>, directory: string): Spec
  /** Absolute paths of files that are named by their entry, so that a directory source does not warn about them. */
  files?(spec: Spec): readonly string[]
  /** Called once per catalogue that has entries of this kind. */
  open(host: SourceHost): OpenedKind<Spec>
  /** Returns the hint of `purser check` for a secret that the source lacks. */
  missingHint?(spec: Spec, name: string): string | undefined
}

/** Holds the resources that the sources of a kind share, such as the store. */
export interface OpenedKind<Spec extends SpecBase = SpecBase> {
  /** Called once per entry. A source returned for several entries is watched once. */
  source(spec: Spec): Source
}

/** A resolved entry, with absolute paths; the other keys depend on the kind. */
export interface SpecBase {
  /** The name of the {@link SourceKind}. */
  readonly kind: string
}

/** The entry may have a pattern as its name, and gives all names that its source lists. */
export interface HoldsMany {
  readonly kind: "many"
  /** Whether the source gets whole names, or the part that follows the prefix of the pattern. */
  readonly ask: "whole names" | "below the pattern"
}

/** The entry gives these secrets below its own name, always of one version ({@link Source.readGroup}). */
export interface HoldsGroup {
  readonly kind: "group"
  readonly names: readonly string[]
  /** The noun in messages, after "a" or "this": `certificate's set`. */
  readonly noun: string
}

/** The context of an entry's check. */
export interface EntryUse {
  readonly name: string
  readonly report: (message: string, hint: string) => void
}

/** The services that a catalogue passes to the kinds it opens. */
export interface SourceHost {
  readonly env: NodeJS.ProcessEnv
  readonly log: Log
  /** The size limit of one secret in bytes. */
  readonly maxBytes: number
  readonly caConfig: CaConfig
  /** Purser's own store. */
  readonly store: () => SecretStore
  /** The CA of the state directory, opened on first use. */
  readonly ca: () => Ca
  /** Called before a certificate that a source has issued is delivered. */
  readonly onIssued: ((issued: Issued) => Promise<void>) | undefined
  /** The result of `files` for all entries. */
  readonly namedFiles: ReadonlySet<string>
}

/** Returns the secrets that an entry gives: its own name or pattern, or the names of its group. */
export function namesGiven({ holds }: SourceKind, entry: string): readonly string[] {
  return holds?.kind === "group" ? holds.names.map((own) => `${entry}/${own}`) : [entry]
}
