import { PurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import type { Owner } from "../../../files/owner.ts"
import type { Change } from "../../change.ts"
import { findOwners } from "../../container-names.ts"
import { mismatch } from "../../file-stat.ts"
import { RouteUnsuitable, type FileToCopy, type RouteTask } from "../../route.ts"
import { mountPoint, type LookResult } from "./protocol.ts"

/** Decides what to do with a file by what a shell in the container sees there. */

export interface PlannedFile {
  readonly file: FileToCopy
  readonly owner: Owner
  readonly change: Change
  /** The file's in the conversation with the shell, from 1. */
  readonly number: number
}

const memoryFilesystems: ReadonlySet<string> = new Set(["tmpfs", "ramfs"])

/** Owners by file, undefined for whoever runs the shell; and who that is to be. */
export async function whoWrites({ engine, container, files, signal }: RouteTask): Promise<{
  owners: readonly (Owner | undefined)[]
  user: string | undefined
}> {
  if (files.every(({ owner }) => owner === undefined)) return { owners: [], user: undefined }
  const { usual, named } = await findOwners(engine, container, files, signal)
  const owners = files.map(({ owner }) => (owner === undefined ? usual : named.get(owner)) ?? undefined)
  const isOwn = (owner: Owner | undefined): boolean =>
    owner === undefined || (owner.uid === usual?.uid && owner.gid === usual.gid)
  if (owners.every(isOwn)) return { owners, user: undefined }
  if (owners.includes(undefined))
    throw new RouteUnsuitable(`its user ${quote(container.user)} is not in its /etc/passwd any more`)
  return { owners, user: "0:0" }
}

/** Throws `ERR_DISK` and `ERR_TARGET` where it must not or cannot be written. */
export function changeFor(
  { filesystem, kind, found }: LookResult,
  { file, owner }: { file: FileToCopy; owner: Owner },
  task: RouteTask,
): Change {
  const { path, mode } = file
  if (!memoryFilesystems.has(filesystem)) refuseDisk(path, task)
  if (kind === "mount") throw mountPoint(path)
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
  return mismatch(found, { mode, owner }) === null ? "none" : "mend"
}
