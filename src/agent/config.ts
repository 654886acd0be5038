import type { Pin } from "../channel/pin.ts"
import type { FileLine } from "../files/file-line.ts"
import type { Reload } from "../files/reload.ts"

/** How an app's nodes are recognised; design section 6. */
export type TrustMode = "enrolled" | "approved" | "pinned" | "discovered"

/** Where to look for an app's nodes. */
export type NodeSpec =
  | { readonly kind: "address"; readonly host: string; readonly port: number }
  | { readonly kind: "dns"; readonly name: string; readonly port: number }
  | { readonly kind: "srv"; readonly name: string }
  | { readonly kind: "flux"; readonly app: string; readonly port: number; readonly api?: string }

/** One app, resolved: paths absolute, defaults filled in, frozen. */
export interface AppConfig {
  readonly name: string
  /** Grants: names, and patterns with a trailing `/*` or just `*`. */
  readonly secrets: readonly string[]
  /** Names of the actions it may ask for; `list` and `file` need no mention. */
  readonly actions: readonly string[]
  readonly trust: TrustMode
  /** Empty unless `trust` is `pinned`. */
  readonly pins: readonly Pin[]
  /** Nodes that may be alive at a time. */
  readonly maxNodes: number
  readonly requirePq: boolean
  readonly nodes: readonly NodeSpec[]
  /** Absolute. Undefined: no directory to fill. */
  readonly directory: string | undefined
  /** What goes into `directory`. Undefined: everything that is granted. */
  readonly files: readonly FileLine[] | undefined
  /** Of `directory`: only `exec:` and `http:`. */
  readonly reload: Reload | undefined
  /** Of `directory`. */
  readonly requireTmpfs: boolean
}
