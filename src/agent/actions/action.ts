import type { Secret } from "../../base/secret.ts"
import type { Pin } from "../../channel/pin.ts"

/** The node that asks, and everything that an action may use to answer. */
export interface ActionContext {
  readonly app: string
  readonly node: { readonly name: string; readonly pin: Pin; readonly address: string }
  /** A secret of the app's grants. Null when no source gives it. Throws `ERR_NOT_GRANTED` outside the grants. */
  readonly secret: (name: string) => Promise<Secret | null>
  /** Aborted at the action's time limit and when the session ends. */
  readonly signal: AbortSignal
}

/**
 * Something that a node may ask of its agent, besides `list` and `file`. Gets
 * the parameters as the node sent them, which makes them untrusted input, and
 * resolves with what JSON can hold. A failure is an answer to the node, with the
 * message only of a `PurserError`; the session goes on.
 */
export type Action = (request: Readonly<Record<string, unknown>>, context: ActionContext) => Promise<unknown>

/** Names that no custom action may have. */
export const builtInActions = ["list", "file"] as const
