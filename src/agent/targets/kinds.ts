import { createContainerKind } from "./container/kind.ts"
import { createDirectoryKind } from "./directory/kind.ts"
import type { CreateTargetKind } from "./kind.ts"
import { createNodeKind } from "./node/kind.ts"

/** Every kind of target, in the order in which the agent begins to look for them and warns of them. */
export const targetKinds: readonly CreateTargetKind[] = [
  createContainerKind,
  createDirectoryKind,
  createNodeKind,
]
