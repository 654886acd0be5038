import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { Engine } from "../docker/engine.ts"
import type { ContainerDetails } from "../docker/container-details.ts"
import type { Owner } from "../files/owner.ts"
import type { RolloutFile } from "../rollout/target.ts"
import type { FileStat } from "./file-stat.ts"

/**
 * A way from the host into a running container. Each has a file in `routes/` and a line in `routes.ts`; what it takes
 * to do it is loaded when it is used. The optional methods serve other routes and roll-backs: of those that have one,
 * the first in the list that can is used.
 */
export interface Route<Name extends string = string> {
  readonly name: Name
  /** Whether it may be chosen without being asked for. */
  readonly isAutomatic: boolean
  /** For people, behind its name: `by a shell in it`. */
  readonly way: string
  /** Whether it starts something in the container, which has to run for that and not be paused. */
  readonly startsProcess: boolean
  /** Why this route cannot work here, as far as that can be told cheaply; null when it may. Changes nothing. */
  whyNot(query: RouteQuery): Promise<string | null>
  /**
   * Writes the set and reads it back as the application would. Throws {@link RouteUnsuitable} while nothing has
   * changed and another route may do better; anything else is final.
   */
  copy(task: RouteTask): Promise<Copied>
  /** `owners`: whose the files are to be. Null where it cannot. Throws {@link RouteUnsuitable} where trying showed that. */
  openReadBack?(query: RouteQuery, owners: readonly Owner[]): Promise<ReadBack | null>
  /** Old files by path, without those that are not there. Null where it cannot. Throws `ERR_CHECK` for what cannot be kept. */
  readOld?(query: RouteQuery): Promise<ReadonlyMap<string, RolloutFile> | null>
  /** False where it cannot. Throws `ERR_TARGET`. */
  remove?(query: RouteQuery, paths: readonly string[]): Promise<boolean>
}

export interface FileToCopy {
  /** Absolute, in the container. */
  readonly path: string
  readonly content: Secret
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** `USER[:GROUP]`, names of the container's own or numbers. Undefined: the user that the container runs as. */
  readonly owner?: string
}

/** The container and files that a route is asked about. */
export interface RouteQuery {
  readonly engine: Engine
  readonly container: ContainerDetails
  readonly files: readonly FileToCopy[]
  readonly signal: AbortSignal
}

export interface RouteTask extends RouteQuery {
  /** Throw `ERR_DISK` for what would lie on a disk. */
  readonly requireTmpfs: boolean
  /** Once, after everything is staged and verified and before the first name changes; not when nothing changes. */
  readonly beforeChange: () => Promise<void>
  readonly log: Log
  /** By the route that comes closest to how the application sees its files. */
  readonly openReadBack: (owners: readonly Owner[]) => Promise<ReadBack>
}

/** Looks at files as the container has them. */
export interface ReadBack extends AsyncDisposable {
  /** For people: how it looks. */
  readonly how: string
  /** `owner` is whose it is to be. Null for what is no file. */
  look(path: string, content: Secret, owner: Owner): Promise<FileStat | null>
}

/** Paths, as they stand in the task. */
export interface Copied {
  readonly written: readonly string[]
  /** Those of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Held this content already; mode and owner were set right where they differed. */
  readonly unchanged: readonly string[]
  /** How it was done, where there is more to say than the route's own words. */
  readonly why?: string
}

/** This route cannot work for this container, which only trying showed. Nothing has changed. */
export class RouteUnsuitable extends Error {
  override readonly name = "RouteUnsuitable"
}
