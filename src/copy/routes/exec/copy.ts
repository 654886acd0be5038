import { PurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import type { Owner } from "../../../files/owner.ts"
import { findOwners } from "../../container-names.ts"
import { commit, greet, lookAnswer, mountPoint, orderLook, put, type LookResult } from "./protocol.ts"
import { ExecSession } from "./session.ts"
import { verifyFound, mismatch, type FileStat } from "../../file-stat.ts"
import { RouteUnsuitable, type Copied, type FileToCopy, type Route, type RouteTask } from "../../route.ts"
import { ShellReader } from "./shell-reader.ts"

/**
 * By a shell in the container and its usual programs, with everything over the stdin of one exec, for a set of files
 * as for one. It runs as the container's own user, so that what it makes is that user's; as root where a file is to
 * be another's.
 */
export const execRoute: Route = { name: "exec", whyNot, copy }

export const memoryFilesystems: ReadonlySet<string> = new Set(["tmpfs", "ramfs"])

async function whyNot({ container }: RouteTask): Promise<string | null> {
  return container.state.paused ? "it is paused, and nothing can be started in it" : null
}

/** `mend`: the content is there, with another mode or owner. */
export type Change = "none" | "mend" | "create" | "replace"

type Readable = Pick<FileToCopy, "path" | "content"> & { readonly owner: Owner }

async function copy(task: RouteTask): Promise<Copied> {
  const { owners, user } = await whoWrites(task)
  await using session = new ExecSession(task, user)
  for (const [index, { path, content }] of task.files.entries()) orderLook(session, index + 1, path, content)
  const self = await greet(session)
  await using reader = new ShellReader(task)
  // Root without DAC_OVERRIDE may not read what it has given away.
  const readable = async (
    found: FileStat | null,
    { path, content, owner }: Readable,
  ): Promise<FileStat | null> =>
    found?.same === null && owner.uid !== self.uid ? await reader.look(path, content, owner) : found
  const plans: { file: FileToCopy; owner: Owner; change: Change; number: number }[] = []
  for (const [index, file] of task.files.entries()) {
    const owner = owners[index] ?? self
    const looked = await lookAnswer(session, file.path)
    const change = changeFor(
      { ...looked, found: await readable(looked.found, { ...file, owner }) },
      { file, owner },
      task,
    )
    plans.push({ file, owner, change, number: index + 1 })
  }
  const changing = plans.filter(({ change }) => change !== "none")
  const puts = changing.map(({ file, owner, number }) => ({ ...file, owner, number, self }))
  for (const one of puts) await put(session, one)
  if (changing.some(({ change }) => change !== "mend")) await task.beforeChange()
  const found = puts.length === 0 ? [] : await commit(session, puts)
  for (const [index, one] of puts.entries())
    verifyFound(one.path, await readable(found[index] ?? null, one), one)
  session.leave()
  const pathsOf = (...changes: readonly Change[]): string[] =>
    plans.filter(({ change }) => changes.includes(change)).map(({ file }) => file.path)
  return {
    written: pathsOf("create", "replace"),
    replaced: pathsOf("replace"),
    unchanged: pathsOf("none", "mend"),
  }
}

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
