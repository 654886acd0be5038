import type { Address } from "../../../apps/discovery/address.ts"
import type { Target } from "../target.ts"

/** An address at which a node of an app may answer. */
export interface NodeTarget extends Target {
  readonly kind: "node"
  readonly address: Address
}
