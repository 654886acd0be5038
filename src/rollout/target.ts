import type { NamedContent } from "./leaf.ts"

/** The port of a rollout: a directory of this machine, or a running container. */

export interface RolloutFile extends NamedContent {
  /** Its key in the set, because a name may stand for several files. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** `USER[:GROUP]`. Undefined: the target decides. */
  readonly owner?: string
}

/** Paths. */
export interface WrittenFiles {
  readonly written: readonly string[]
  /** The part of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Held this content already; mode and owner were corrected where they differed. */
  readonly unchanged: readonly string[]
}

export interface RolloutTarget<Result extends WrittenFiles> {
  /** For messages about a roll-back: "the old files". */
  readonly oldFiles: string
  /** For messages about a roll-back: that there is nothing to put back. */
  readonly nothingBefore: string
  /** Addresses for a check without a host. Throws `ERR_CHECK` where there are none. */
  hosts(): Promise<readonly string[]>
  /**
   * Writes all files or, as far as the place allows it, none. Calls `beforeChange` once with the paths that may change,
   * when everything is staged and verified, before the first name changes; not when nothing changes.
   */
  write(
    files: readonly RolloutFile[],
    beforeChange: (paths: readonly string[]) => Promise<void>,
  ): Promise<Result>
  /**
   * Reads the files of the set that are there now, by path, as `write` puts them back. Throws `ERR_CHECK` for one of
   * `changing` that cannot be kept.
   */
  readOld(changing: readonly RolloutFile[]): Promise<ReadonlyMap<string, RolloutFile>>
  remove(paths: readonly string[]): Promise<void>
  /** Resolves with false where no reload is wanted. Throws `ERR_RELOAD`. */
  reload(): Promise<boolean>
  /** Whether the service has stopped or waits, so that a failed reload proves nothing about the files. Default: it has not. */
  isAway?(): Promise<boolean>
  /** Clears the record that a reload is pending, for a target that keeps one. */
  clearPending?(): Promise<void>
}
