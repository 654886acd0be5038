import type { TrustBase, TrustKind } from "./kind.ts"
import { approvedKind } from "./kinds/approved.ts"
import { discoveredKind } from "./kinds/discovered.ts"
import { enrolledKind } from "./kinds/enrolled.ts"
import { pinnedKind } from "./kinds/pinned.ts"

/** Every way to recognise nodes, in the order of help and messages. The first is the default. */
export const trustKinds = [
  enrolledKind,
  approvedKind,
  pinnedKind,
  discoveredKind,
] as const satisfies readonly TrustKind[]

/** The resolved trust of an app. */
export type Trust = ReturnType<(typeof trustKinds)[number]["resolve"]>

export function trustKindOf({ mode }: TrustBase, kinds: readonly TrustKind[] = trustKinds): TrustKind {
  const found = kinds.find(({ name }) => name === mode)
  if (found === undefined) throw new TypeError(`there is no trust mode ${mode}`)
  return found
}

/** The words that may stand under `trust:`. */
export function trustNamesOf<Kind extends TrustKind>(kinds: readonly Kind[]): readonly Kind["name"][] {
  return kinds.map(({ name }): Kind["name"] => name)
}

export const trustNames = trustNamesOf(trustKinds)
