import { PurserError, systemErrorCode } from "../../../base/errors.ts"
import { holds, openCurrent } from "../../../files/content.ts"
import { installFiles } from "../../../files/install.ts"
import { isMemory } from "../../../files/memory.ts"
import { maxNamesBytes, type Owner, type ReadNames } from "../../../files/owner.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import type { FileHandle } from "../../../files/system-calls.ts"
import { openInRoot, readInRoot, through } from "../../container-root.ts"
import { resolveContainerUser, resolveFileOwner } from "../../container-user.ts"
import { openContainerProcess, type ContainerProcess } from "../../process.ts"
import type { Copied, FileToCopy, RouteTask } from "../../route.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"

/** Writes by the steps of `installFiles`, with the container's root in the place of a directory. */
export async function copyThroughProcess(task: RouteTask): Promise<Copied> {
  const { engine, container, signal, log, requireTmpfs } = task
  await using held = await openContainerProcess(engine, container, signal)
  await using root = closing(await held.openRoot())
  const owners = new Map<string, Owner>()
  const ownerOf = ownersIn(root.handle, held, container)
  const files = task.files.map((file) => ({ ...file, name: file.path }))
  const copied = await installFiles(files, {
    directory: "/",
    requireTmpfs,
    log,
    signal,
    openPlace: ({ name }) =>
      openInRoot(root.handle, name, {
        // Not even an empty directory, where it would be refused afterwards.
        beforeCreate: async (below) => {
          if (requireTmpfs && !(await isMemory(through(below)))) refuseDisk(name, { requireTmpfs, log })
        },
      }),
    ownerOf: async (file) => {
      const owner = await ownerOf(file)
      owners.set(file.name, owner)
      return owner
    },
    beforeRename: async () => {
      await task.beforeChange()
      // Whatever that took: names are changed for the living only.
      await held.checkAlive()
    },
  })
  await verify(task.files, owners, held)
  await held.confirm(signal)
  return copied
}

function ownersIn(
  root: FileHandle,
  held: ContainerProcess,
  { user }: ContainerDetails,
): (file: Pick<FileToCopy, "owner">) => Promise<Owner> {
  const read: ReadNames = (path) => readInRoot(root, path, maxNamesBytes)
  let usual: Promise<Owner> | undefined
  return async ({ owner }) => {
    if (owner !== undefined) return await resolveFileOwner(owner, read)
    // The engine still knew the name when it started the process, if it is gone now.
    usual ??= resolveContainerUser(user, read).then(async (found) => found ?? (await held.ids()))
    return await usual
  }
}

/** As the application would get there: from the root, by whatever links are on the way now. Throws `ERR_NOT_VERIFIED`. */
async function verify(
  files: readonly FileToCopy[],
  owners: ReadonlyMap<string, Owner>,
  held: ContainerProcess,
): Promise<void> {
  await using root = closing(await held.openRoot())
  for (const { path, content, mode } of files) {
    const owner = owners.get(path)
    const wrong = await differsIn(root.handle, path, { content, mode, owner })
    if (wrong === null) continue
    throw new PurserError("ERR_NOT_VERIFIED", `read back in the container, ${path} ${wrong}`, {
      hint: "something in the container changes files there; look at what writes to that directory",
    })
  }
}

async function differsIn(
  root: FileHandle,
  path: string,
  { content, mode, owner }: Pick<FileToCopy, "content" | "mode"> & { owner: Owner | undefined },
): Promise<string | null> {
  try {
    await using place = await openInRoot(root, path)
    await using found = await openCurrent(place)
    if (found === null) return "is not there"
    if (!(await holds(found, content))) return "has other content"
    const { stats } = found
    if ((stats.mode & 0o7777) !== mode) return "has another mode"
    if (stats.uid !== owner?.uid || stats.gid !== owner.gid) return "has another owner"
    return null
  } catch (error) {
    // Something else is there, or on the way.
    if (error instanceof PurserError || systemErrorCode(error) !== undefined) return "is not there"
    throw error
  }
}

function closing(handle: FileHandle): AsyncDisposable & { handle: FileHandle } {
  return { handle, [Symbol.asyncDispose]: () => handle.close() }
}
