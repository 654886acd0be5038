import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { Engine } from "../docker/engine.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/** A way from the host into a running container. Each has a file of its own in this folder. */
export interface Route {
  readonly name: RouteName
  /** Why this route cannot work here, as far as that can be told cheaply; null when it may. Changes nothing. */
  whyNot(task: RouteTask): Promise<string | null>
  /**
   * Writes the set and reads it back as the application would. Throws {@link RouteUnsuitable} while nothing has
   * changed and another route may do better; anything else is final.
   */
  copy(task: RouteTask): Promise<Copied>
}

export type RouteName = "proc" | "exec" | "volume" | "pull"

export interface FileToCopy {
  /** Absolute, in the container. */
  readonly path: string
  readonly content: Secret
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** `USER[:GROUP]`, names of the container's own or numbers. Undefined: the user that the container runs as. */
  readonly owner?: string
}

export interface RouteTask {
  readonly engine: Engine
  readonly container: ContainerDetails
  readonly files: readonly FileToCopy[]
  /** Throw `ERR_DISK` for what would lie on a disk. */
  readonly requireTmpfs: boolean
  /** Once, after everything is staged and verified and before the first name changes; not when nothing changes. */
  readonly beforeChange: () => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
}

/** Paths, as they stand in the task. */
export interface Copied {
  readonly written: readonly string[]
  /** Those of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Held this content already; mode and owner were set right where they differed. */
  readonly unchanged: readonly string[]
  /** How it was done, where there is more to say than the route's name. */
  readonly why?: string
}

/** This route cannot work for this container, which only trying showed. Nothing has changed. */
export class RouteUnsuitable extends Error {
  override readonly name = "RouteUnsuitable"
}
