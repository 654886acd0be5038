import { containerKind } from "./container/kind.ts"
import { directoryKind } from "./directory/kind.ts"
import type { TargetKind } from "./kind.ts"
import { nodeKind } from "./node/kind.ts"

/** Every kind of target, in the order in which hints name them and the agent begins to look for them. */
export const targetKinds: readonly TargetKind[] = [nodeKind, directoryKind, containerKind]

/** The keys of an app that bring targets, for hints: `nodes:, directory: or containers:`. */
export function targetKeys(kinds: readonly TargetKind[] = targetKinds): string {
  const keys = kinds.map(({ appKey }) => `${appKey}:`)
  return [keys.slice(0, -1).join(", "), ...keys.slice(-1)].filter((part) => part !== "").join(" or ")
}
