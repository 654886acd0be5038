import { z } from "zod"
import type { TrustBase, TrustKind, TrustUse } from "./kind.ts"
import { trustKindOf, trustKinds, type Trust } from "./kinds.ts"

/** `trust:` of an app, and the keys that belong to its modes, in `purser.yaml`. */

/** Returns the schema of the keys that these kinds add to an app. */
export function trustKeysOf<Kind extends TrustKind>(kinds: readonly Kind[]): KeysOf<Kind> {
  // Object.assign loses the types of the single objects, so they are restored here.
  return Object.assign({}, ...kinds.map((kind) => kind.keys(z))) as KeysOf<Kind>
}

type Takes<Kind> = Kind extends { keys(zod: typeof z): infer Keys } ? (keys: Keys) => void : never
type KeysOf<Kind> = Takes<Kind> extends (keys: infer All extends z.ZodRawShape) => void ? All : never

export const trustKeys = trustKeysOf(trustKinds)

/** The entry of an app as every kind reads it. */
type TrustEntry = Readonly<Record<string, unknown>> & { readonly trust: string }

/** Reports keys of an app that contradict its trust. */
export function checkTrust(
  entry: TrustEntry,
  report: TrustUse["report"],
  kinds: readonly TrustKind[] = trustKinds,
): void {
  for (const kind of kinds) kind.check?.(entry, { isChosen: kind.name === entry.trust, report })
}

export function resolveTrust(entry: TrustEntry): Trust
export function resolveTrust(entry: TrustEntry, kinds: readonly TrustKind[]): TrustBase
export function resolveTrust(entry: TrustEntry, kinds: readonly TrustKind[] = trustKinds): TrustBase {
  return trustKindOf({ mode: entry.trust }, kinds).resolve(entry)
}
