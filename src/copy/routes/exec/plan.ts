import { PurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import type { Owner } from "../../../files/owner.ts"
import type { Change } from "../../change.ts"
import { findOwners } from "../../container-names.ts"
import { mismatch } from "../../file-stat.ts"
import { RouteUnsuitable, type FileToCopy, type RouteTask } from "../../route.ts"
import { mountPointError, type LookResult } from "./protocol.ts"

/** Plans the change of each file from what a shell in the container sees. */

export interface PlannedFile {
  readonly file: FileToCopy
  readonly owner: Owner
  readonly change: Change
  /** The file's number in the session with the shell, from 1. */
  readonly number: number
}

const memoryFilesystems: ReadonlySet<string> = new Set(["tmpfs", "ramfs"])

/**
 * Returns the owner of each file, undefined for the user that the shell runs as, and the user to run the shell as
 * (undefined for the container's own). Throws {@link RouteUnsuitable} and `ERR_TARGET`.
 */
export async function resolveWriters({ engine, container, files, signal }: RouteTask): Promise<{
  owners: readonly (Owner | undefined)[]
  user: string | undefined
}> {
  if (files.every(({ owner }) => owner === undefined)) return { owners: [], user: undefined }
  const { containerUser: usual, named } = await findOwners(engine, container, files, signal)
  const owners = files.map(({ owner }) => (owner === undefined ? usual : named.get(owner)) ?? undefined)
  const isOwn = (owner: Owner | undefined): boolean =>
    owner === undefined || (owner.uid === usual?.uid && owner.gid === usual.gid)
  if (owners.every(isOwn)) return { owners, user: undefined }
  if (owners.includes(undefined))
    throw new RouteUnsuitable(`its user ${quote(container.user)} is no longer in its /etc/passwd`)
  return { owners, user: "0:0" }
}

/** Returns the change that a file needs. Throws `ERR_DISK` and `ERR_TARGET` if it must not or cannot be written. */
export function changeFor(
  { filesystem, kind, found }: LookResult,
  { file, owner }: { file: FileToCopy; owner: Owner },
  task: RouteTask,
): Change {
  const { path, mode } = file
  if (!memoryFilesystems.has(filesystem)) refuseDisk(path, task)
  if (kind === "mount") throw mountPointError(path)
  if (kind === "none") return "create"
  if (kind !== "file")
    throw new PurserError(
      "ERR_TARGET",
      `cannot write ${path}: a ${kind === "fifo" ? "FIFO" : kind === "link" ? "symbolic link" : kind} is there`,
      {
        hint: "remove it, or choose another path",
      },
    )
  if (found?.same !== true) return "replace"
  return mismatch(found, { mode, owner }) === null ? "none" : "fix"
}
