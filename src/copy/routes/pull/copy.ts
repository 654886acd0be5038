import type { Owner } from "../../../files/owner.ts"
import { copiedFrom } from "../../change.ts"
import { verifyFound } from "../../file-stat.ts"
import type { Copied, FileToCopy, RouteTask } from "../../route.ts"
import { changeFor, resolveWriters, type PlannedFile } from "../exec/plan.ts"
import { handshake, readLook, sendLook } from "../exec/protocol.ts"
import { ExecSession } from "../exec/session.ts"
import { ShellReader } from "../exec/shell-reader.ts"
import { fetchAll } from "./fetch.ts"
import type { PullOptions } from "./options.ts"

export async function copyByDownload(task: RouteTask, options: PullOptions): Promise<Copied> {
  const { owners, user } = await resolveWriters(task)
  await using looking = new ExecSession(task, user)
  await using reader = new ShellReader(task)
  const self = await handshake(looking)
  const look = async ({ path, content }: FileToCopy, number: number, owner: Owner) => {
    sendLook(looking, number, path, content)
    const looked = await readLook(looking, path)
    // Root without DAC_OVERRIDE may not read a file that it has given to another user.
    const isHidden = looked.found?.same === null && owner.uid !== self.uid
    return isHidden ? { ...looked, found: await reader.look(path, content, owner) } : looked
  }
  const plans: PlannedFile[] = []
  for (const [index, file] of task.files.entries()) {
    const owner = owners[index] ?? self
    const looked = await look(file, index + 1, owner)
    plans.push({ file, owner, change: changeFor(looked, { file, owner }, task), number: index + 1 })
  }
  const changing = plans.filter(({ change }) => change !== "none")
  if (changing.length > 0) await fetchAll(task, options, { changing, user })
  for (const { file, owner, number } of changing) {
    const { found } = await look(file, number, owner)
    verifyFound(file.path, found, { mode: file.mode, owner })
  }
  looking.leave()
  return copiedFrom(plans)
}
