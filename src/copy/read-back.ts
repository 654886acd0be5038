import { sameText } from "../base/digest.ts"
import { isPurserError } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import { getArchive } from "../docker/archive.ts"
import { statusOf } from "../docker/refusal.ts"
import { readTar } from "../docker/tar.ts"
import { digestAt } from "../files/on-disk.ts"
import type { Owner } from "../files/owner.ts"
import { openInRoot } from "./container-root.ts"
import type { FileStat } from "./file-stat.ts"
import { openContainerProcess } from "./process.ts"
import { procRoute } from "./routes/proc/copy.ts"
import { RouteUnsuitable, type RouteTask } from "./route.ts"
import { ShellReader } from "./routes/exec/shell-reader.ts"

/** Looks at files as the container has them, by the way that is closest to how it looks at them itself. */
export interface ReadBack extends AsyncDisposable {
  /** For people: how it looks. */
  readonly how: string
  /** `owner` is whose it is to be. Null for what is no file. */
  look(path: string, content: Secret, owner: Owner): Promise<FileStat | null>
}

/** Through its process where we may, else by a shell in it; the last is only for what is proven to lie on a volume. */
export async function openReadBack(task: RouteTask, owners: readonly Owner[]): Promise<ReadBack> {
  try {
    if ((await procRoute.whyNot(task)) === null) return await throughProcess(task)
    if (!task.container.state.paused) return await byShell(task, owners)
  } catch (error) {
    if (!(error instanceof RouteUnsuitable)) throw error
  }
  return byArchive(task)
}

async function throughProcess({ engine, container, signal }: RouteTask): Promise<ReadBack> {
  const held = await openContainerProcess(engine, container, signal)
  return {
    how: "read back through its process's root",
    async look(path, content) {
      const root = await held.openRoot()
      try {
        await using place = await openInRoot(root, path).catch(() => null)
        const found = place && (await digestAt(place))
        if (found === null) return null
        const { size, mode, uid, gid } = found.stats
        const same = size === content.sizeBytes && sameText(found.digest, content.digest)
        return { same, mode: mode & 0o7777, uid, gid }
      } finally {
        await root.close()
      }
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  }
}

async function byShell(task: RouteTask, owners: readonly Owner[]): Promise<ReadBack> {
  const reader = new ShellReader(task)
  try {
    for (const owner of owners) await reader.as(owner)
  } catch (error) {
    await reader[Symbol.asyncDispose]()
    throw error
  }
  return {
    how: "read back by a shell in it",
    look: (path, content, owner) => reader.look(path, content, owner),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  }
}

function byArchive({ engine, container, signal }: RouteTask): ReadBack {
  return {
    how: "read back from the volume, since neither its process nor a shell in it can be used",
    async look(path, content) {
      const archive = await getArchive(engine, container.id, path, signal).catch((error: unknown) => {
        if (isPurserError(error, "ERR_DOCKER") && statusOf(error) === 404) return null
        throw error
      })
      const file = archive === null ? undefined : readTar(archive)[0]
      if (file?.type !== "file") return null
      const { mode, uid, gid } = file
      return { same: file.content.equals(content.reveal()), mode, uid, gid }
    },
    async [Symbol.asyncDispose]() {},
  }
}
