import type { Log } from "../base/log.ts"
import type { Secret } from "../base/secret.ts"
import type { Engine } from "../docker/engine.ts"
import type { ContainerDetails } from "../docker/container-details.ts"
import type { Owner } from "../files/owner.ts"
import type { RolloutFile } from "../rollout/target.ts"
import type { FileStat } from "./file-stat.ts"

/**
 * A way from the host into a running container. Each has a file in `routes/` and a line in `routes.ts`, and loads its
 * implementation on use. The optional methods serve other routes and roll-backs; the first route in the list that
 * supports the operation is used.
 */
export interface Route<Name extends string = string> {
  readonly name: Name
  /** Whether `auto` may choose it. */
  readonly isAutomatic: boolean
  /** A description that follows the route's name: `by a shell in it`. */
  readonly way: string
  /** Whether it starts a process in the container, which therefore must not be paused. */
  readonly startsProcess: boolean
  /** Returns why this route cannot work here, as far as a cheap look can tell, or null. Changes nothing. */
  whyNot(query: RouteQuery): Promise<string | null>
  /**
   * Writes the set and reads it back as the application would. Throws {@link RouteUnsuitable} if another route may
   * succeed and nothing has changed; any other error is final.
   */
  copy(task: RouteTask): Promise<Copied>
  /**
   * Opens a reader; `owners` are the owners the files are to have. Returns null if this route cannot read here. Throws
   * {@link RouteUnsuitable} if the attempt showed that.
   */
  openReadBack?(query: RouteQuery, owners: readonly Owner[]): Promise<ReadBack | null>
  /**
   * Returns old files by path, without missing ones, or null if this route cannot read here. Throws `ERR_CHECK` for a
   * file that cannot be kept.
   */
  readOld?(query: RouteQuery): Promise<ReadonlyMap<string, RolloutFile> | null>
  /** Removes files. Returns false if this route cannot. Throws `ERR_TARGET`. */
  remove?(query: RouteQuery, paths: readonly string[]): Promise<boolean>
}

export interface FileToCopy {
  /** Absolute path in the container. */
  readonly path: string
  readonly content: Secret
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** `USER[:GROUP]`, the container's own names or numbers. Default: the user that the container runs as. */
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
  /** Whether to throw `ERR_DISK` for a file that would lie on a disk. */
  readonly requireTmpfs: boolean
  /** Called once, after all files are staged and verified and before the first rename; not if no content changes. */
  readonly beforeChange: () => Promise<void>
  readonly log: Log
  /** Opens a reader by the route whose view is closest to the application's. */
  readonly openReadBack: (owners: readonly Owner[]) => Promise<ReadBack>
}

/** Reads files back as the container sees them. */
export interface ReadBack extends AsyncDisposable {
  /** How it reads, as text for the result's `why`. */
  readonly how: string
  /**
   * Compares a file with `content`; `owner` is the owner it is to have. Returns null for a path without a regular file.
   */
  look(path: string, content: Secret, owner: Owner): Promise<FileStat | null>
}

/** The result of a route. Paths are as given in the task. */
export interface Copied {
  readonly written: readonly string[]
  /** Paths among `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Paths that held this content already; a wrong mode or owner was fixed. */
  readonly unchanged: readonly string[]
  /** How the files were written, if there is more to say than {@link Route.way}. */
  readonly why?: string
}

/** Thrown when an attempt shows that a route cannot work for a container, before anything has changed. */
export class RouteUnsuitable extends Error {
  override readonly name = "RouteUnsuitable"
}
