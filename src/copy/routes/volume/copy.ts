import { PurserError, isPurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import { putArchive } from "../../../docker/archive.ts"
import { inspectContainer } from "../../../docker/containers.ts"
import { readEntryIn } from "../../../docker/read-file.ts"
import { writeTar, type TarEntry, type TarFile } from "../../../docker/tar.ts"
import type { Owner } from "../../../files/owner.ts"
import { findOwners } from "../../container-names.ts"
import { copiedFrom, writesContent, type Change } from "../../change.ts"
import { verifyFound, mismatch } from "../../file-stat.ts"
import { kindOf, memoryMountsOf, missingBelow } from "../../memory-mounts.ts"
import type { Copied, FileToCopy, ReadBack, RouteTask } from "../../route.ts"

interface Planned {
  readonly file: FileToCopy
  readonly owner: Owner
  /** The mount point of the volume. */
  readonly destination: string
  /** Directories to create first, relative to the mount point. */
  readonly missing: readonly string[]
  readonly change: Change
}

export async function copyIntoVolume(task: RouteTask): Promise<Copied> {
  const { engine, container, signal } = task
  const plans: Planned[] = []
  const owners = await ownersFor(task)
  await using back = await task.openReadBack(owners)
  const mountOf = memoryMountsOf(engine, container, signal)
  for (const [index, file] of task.files.entries()) {
    const { destination, why } = await mountOf(file.path)
    if (why !== undefined)
      throw new PurserError("ERR_ROUTE", `route volume cannot write ${file.path}: ${why}`)
    plans.push(await planFor(task, back, { file, destination, owner: owners[index] ?? { uid: 0, gid: 0 } }))
  }
  const puts = plans.filter(({ change }) => change !== "none")
  if (writesContent(puts)) await task.beforeChange()
  if (puts.length > 0) {
    // Checked because a file in the volume of a stopped container is lost with its next start.
    await checkSameRun(task)
    await writeAll(task, back, puts)
    await checkSameRun(task)
  }
  return {
    ...copiedFrom(plans),
    why: `by the engine, into its tmpfs volume, and ${back.how}`,
  }
}

async function ownersFor({ engine, container, files, signal }: RouteTask): Promise<Owner[]> {
  const { containerUser: usual, named } = await findOwners(engine, container, files, signal)
  return files.map(({ owner }) => {
    const found = owner === undefined ? usual : named.get(owner)
    if (found !== null && found !== undefined) return found
    throw new PurserError("ERR_TARGET", `there is no user ${quote(container.user)} in the container`, {
      hint: "give the owner as numbers",
    })
  })
}

const kindNames = {
  directory: "a directory",
  link: "a symbolic link",
  other: "a device, FIFO or socket",
} as const

async function planFor(
  { engine, container, signal }: RouteTask,
  back: ReadBack,
  { file, destination, owner }: Pick<Planned, "file" | "destination" | "owner">,
): Promise<Planned> {
  const { path, content, mode } = file
  const missing = await missingBelow(engine, container.id, { destination, path }, signal)
  const kind = missing.length > 0 ? "none" : await kindOf(engine, container.id, path, signal)
  if (kind !== "none" && kind !== "file")
    throw new PurserError("ERR_TARGET", `cannot write ${path}: ${kindNames[kind]} is there`, {
      hint: "remove it, or choose another path",
    })
  const planned = { file, owner, destination, missing }
  if (kind === "none") return { ...planned, change: "create" }
  const found = await back.look(path, content, owner)
  if (found?.same !== true) return { ...planned, change: "replace" }
  return { ...planned, change: mismatch(found, { mode, owner }) === null ? "none" : "fix" }
}

/** Writes all files or, as far as the engine allows, none. */
async function writeAll(task: RouteTask, back: ReadBack, puts: readonly Planned[]): Promise<void> {
  const { engine, container, signal } = task
  const before = new Map<string, TarEntry | null>()
  for (const { file } of puts)
    before.set(file.path, await readEntryIn(engine, container.id, file.path, signal))
  try {
    for (const destination of new Set(puts.map((put) => put.destination))) {
      const here = puts.filter((put) => put.destination === destination)
      await putArchive(engine, container.id, destination, tarOf(here), signal).catch((error: unknown) => {
        throw putError(error, here[0]?.file.path ?? destination)
      })
    }
    for (const { file, owner } of puts) {
      const found = await back.look(file.path, file.content, owner)
      verifyFound(file.path, found, { mode: file.mode, owner })
    }
  } catch (error) {
    await putBack(task, puts, before)
    throw error
  }
}

function tarOf(puts: readonly Planned[]): Buffer {
  const directories = new Map<string, TarFile>()
  for (const { missing, owner } of puts)
    for (const name of missing)
      directories.set(name, { name, type: "directory", content: Buffer.alloc(0), mode: 0o755, ...owner })
  const files = puts.map(({ file, owner, destination }): TarFile => {
    const name = file.path.slice(destination.length + 1)
    return { name, content: file.content.reveal(), mode: file.mode, ...owner }
  })
  try {
    return writeTar([...directories.values(), ...files])
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new PurserError("ERR_TARGET", `a path does not fit into an archive: ${error.message}`, {
      cause: error,
    })
  }
}

/**
 * Puts the old files back. The engine cannot remove files, so a file that did not exist before is left empty, so that
 * no part of a secret remains.
 */
async function putBack(
  { engine, container, log }: RouteTask,
  puts: readonly Planned[],
  before: ReadonlyMap<string, TarEntry | null>,
): Promise<void> {
  // The task's signal is not used, so that an interrupted copy is undone too; the time limit is its own.
  const signal = AbortSignal.timeout(5000)
  for (const { file, destination, owner } of puts) {
    const name = file.path.slice(destination.length + 1)
    const old = before.get(file.path) ?? undefined
    try {
      const found = await kindOf(engine, container.id, file.path, signal)
      if (found === "none" && old === undefined) continue
      const { content, mode, uid, gid } =
        old?.type === "file" ? old : { content: Buffer.alloc(0), mode: 0, ...owner }
      const tar = writeTar([{ name, content, mode, uid, gid }])
      await putArchive(engine, container.id, destination, tar, signal)
      if (old === undefined) log.warn(`an empty ${file.path} is left, because the engine cannot remove files`)
    } catch {
      log.warn(`the old content of ${file.path} could not be put back`)
    }
  }
}

function putError(error: unknown, path: string): unknown {
  if (!isPurserError(error, "ERR_DOCKER")) return error
  if (/no space left/i.test(error.message))
    return new PurserError("ERR_TARGET", `cannot write ${path}: no space is left there`, {
      hint: "give the tmpfs a larger size",
      cause: error,
    })
  return new PurserError("ERR_TARGET", `cannot write ${path}: ${error.message}`, { cause: error })
}

async function checkSameRun({ engine, container, signal }: RouteTask): Promise<void> {
  const { state } = await inspectContainer(engine, container.id, signal)
  if (state.running && state.pid > 0 && state.startedAt === container.state.startedAt) return
  throw new PurserError(
    "ERR_NOT_RUNNING",
    `the container ${quote(container.name)} has stopped or was restarted meanwhile`,
    { hint: "deliver again when it runs" },
  )
}
