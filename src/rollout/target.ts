import type { NamedContent } from "./leaf.ts"

/** The target of a rollout: a directory of this machine, or a running container. */

export interface RolloutFile extends NamedContent {
  /** The file's key in the set, because several files may have one name. */
  readonly path: string
  /** The permission bits. */
  readonly mode: number
  /** `USER[:GROUP]`. Default: decided by the target. */
  readonly owner?: string
}

/** The paths that a write changed, and did not. */
export interface WrittenFiles {
  readonly written: readonly string[]
  /** The part of `written` that held other content before. */
  readonly replaced: readonly string[]
  /** Files that had the content already. Their mode and owner were corrected if they differed. */
  readonly unchanged: readonly string[]
}

export interface RolloutTarget<Result extends WrittenFiles> {
  /** The old files and their place, for messages about a roll-back. */
  readonly oldFiles: string
  /** The message when there are no old files to put back. */
  readonly nothingBefore: string
  /** Resolves with the addresses for a check without a host. Throws `ERR_CHECK` when there are none. */
  hosts(): Promise<readonly string[]>
  /**
   * Writes all files or, as far as the target allows, none. Calls `beforeChange` once with the paths that may change,
   * when every file is staged and verified, before the first rename. Does not call it when nothing changes.
   */
  write(
    files: readonly RolloutFile[],
    beforeChange: (paths: readonly string[]) => Promise<void>,
  ): Promise<Result>
  /**
   * Reads the present files of the set, by path, so that `write` can put them back. Throws `ERR_CHECK` for a file of
   * `changing` that cannot be kept.
   */
  readOld(changing: readonly RolloutFile[]): Promise<ReadonlyMap<string, RolloutFile>>
  remove(paths: readonly string[]): Promise<void>
  /** Reloads the service. Resolves with false when no reload is configured. Throws `ERR_RELOAD`. */
  reload(): Promise<boolean>
  /** Whether the service has stopped or is paused, so that a failed reload is not blamed on the files. Default: false. */
  isAway?(): Promise<boolean>
  /** Clears the record of the pending reload, for a target that keeps one. */
  clearPending?(): Promise<void>
}
