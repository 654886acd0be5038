import { PurserError, systemErrorCode } from "../../../base/errors.ts"
import { holds, openCurrent } from "../../../files/content.ts"
import { installFiles } from "../../../files/install.ts"
import { isMemory } from "../../../files/memory.ts"
import { maxNamesBytes, type Owner, type ReadNames } from "../../../files/owner.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import type { FileHandle } from "../../../files/system-calls.ts"
import { openInRoot, readInRoot, descriptorPath } from "../../container-root.ts"
import { resolveContainerUser, resolveFileOwner } from "../../container-user.ts"
import { openContainerProcess, type ContainerProcess } from "../../process.ts"
import type { Copied, FileToCopy, RouteTask } from "../../route.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"

/** Writes by the steps of `installFiles`, into the container's root instead of a directory. */
export async function copyThroughProcess(task: RouteTask): Promise<Copied> {
  const { engine, container, signal, log, requireTmpfs } = task
  await using held = await openContainerProcess(engine, container, signal)
  await using root = disposable(await held.openRoot())
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
        // Checked here so that not even an empty directory is created on a disk that would be refused afterwards.
        beforeCreate: async (below) => {
          if (requireTmpfs && !(await isMemory(descriptorPath(below))))
            refuseDisk(name, { requireTmpfs, log })
        },
      }),
    ownerOf: async (file) => {
      const owner = await ownerOf(file)
      owners.set(file.name, owner)
      return owner
    },
    beforeRename: async () => {
      await task.beforeChange()
      // Checked again because `beforeChange` may take long, and files are renamed only for a live process.
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
    // If the name no longer exists, the process's ids tell what it meant when the engine started the process.
    usual ??= resolveContainerUser(user, read).then(async (found) => found ?? (await held.ids()))
    return await usual
  }
}

/**
 * Reads the files back as the application would: from the root, by the links that exist now. Throws `ERR_NOT_VERIFIED`.
 */
async function verify(
  files: readonly FileToCopy[],
  owners: ReadonlyMap<string, Owner>,
  held: ContainerProcess,
): Promise<void> {
  await using root = disposable(await held.openRoot())
  for (const { path, content, mode } of files) {
    const owner = owners.get(path)
    const wrong = await mismatchIn(root.handle, path, { content, mode, owner })
    if (wrong === null) continue
    throw new PurserError("ERR_NOT_VERIFIED", `read back in the container, ${path} ${wrong}`, {
      hint: "a process in the container changes files there; find out which one writes to that directory",
    })
  }
}

async function mismatchIn(
  root: FileHandle,
  path: string,
  { content, mode, owner }: Pick<FileToCopy, "content" | "mode"> & { owner: Owner | undefined },
): Promise<string | null> {
  try {
    await using target = await openInRoot(root, path)
    await using found = await openCurrent(target)
    if (found === null) return "is not there"
    if (!(await holds(found, content))) return "has other content"
    const { stats } = found
    if ((stats.mode & 0o7777) !== mode) return "has another mode"
    if (stats.uid !== owner?.uid || stats.gid !== owner.gid) return "has another owner"
    return null
  } catch (error) {
    // The path, or a directory on its way, is now something else.
    if (error instanceof PurserError || systemErrorCode(error) !== undefined) return "is not there"
    throw error
  }
}

function disposable(handle: FileHandle): AsyncDisposable & { handle: FileHandle } {
  return { handle, [Symbol.asyncDispose]: () => handle.close() }
}
