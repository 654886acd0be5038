import type { Owner } from "../../../files/owner.ts"
import { copiedFrom, writesContent } from "../../change.ts"
import { verifyFound, type FileStat } from "../../file-stat.ts"
import type { Copied, FileToCopy, RouteTask } from "../../route.ts"
import { changeFor, resolveWriters, type PlannedFile } from "./plan.ts"
import { commit, handshake, readLook, sendLook, put } from "./protocol.ts"
import { ExecSession } from "./session.ts"
import { ShellReader } from "./shell-reader.ts"

type Readable = Pick<FileToCopy, "path" | "content"> & { readonly owner: Owner }

export async function copyByShell(task: RouteTask): Promise<Copied> {
  const { owners, user } = await resolveWriters(task)
  await using session = new ExecSession(task, user)
  for (const [index, { path, content }] of task.files.entries()) sendLook(session, index + 1, path, content)
  const self = await handshake(session)
  await using reader = new ShellReader(task)
  // Root without DAC_OVERRIDE may not read a file that it has given to another user.
  const readable = async (
    found: FileStat | null,
    { path, content, owner }: Readable,
  ): Promise<FileStat | null> =>
    found?.same === null && owner.uid !== self.uid ? await reader.look(path, content, owner) : found
  const plans: PlannedFile[] = []
  for (const [index, file] of task.files.entries()) {
    const owner = owners[index] ?? self
    const looked = await readLook(session, file.path)
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
  if (writesContent(changing)) await task.beforeChange()
  const found = puts.length === 0 ? [] : await commit(session, puts)
  for (const [index, one] of puts.entries())
    verifyFound(one.path, await readable(found[index] ?? null, one), one)
  session.leave()
  return copiedFrom(plans)
}
