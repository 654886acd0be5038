import { sameText } from "../base/digest.ts"
import { isPurserError } from "../base/errors.ts"
import type { Secret } from "../base/secret.ts"
import { getArchive } from "../docker/archive.ts"
import { statusOf } from "../docker/refusal.ts"
import { readTar } from "../docker/tar.ts"
import { digestAt } from "../files/content.ts"
import { openInRoot } from "./container-root.ts"
import { ExecSession } from "./exec-session.ts"
import { greet, lookAnswer, orderLook } from "./exec-orders.ts"
import type { Found } from "./found.ts"
import { openContainerProcess } from "./process.ts"
import { procRoute } from "./proc.ts"
import { RouteUnsuitable, type RouteTask } from "./route.ts"

/** Looks at files as the container has them, by the way that is closest to how it looks at them itself. */
export interface ReadBack extends AsyncDisposable {
  /** For people: how it looks. */
  readonly how: string
  /** Null for what is no file. */
  look(path: string, content: Secret): Promise<Found | null>
}

/** Through its process where we may, else by a shell in it; the last is only for what is proven to lie on a volume. */
export async function openReadBack(task: RouteTask): Promise<ReadBack> {
  try {
    if ((await procRoute.whyNot(task)) === null) return await throughProcess(task)
    if (!task.container.state.paused) return await byShell(task)
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

async function byShell(task: RouteTask): Promise<ReadBack> {
  // Root reads whatever the owner is, but without capabilities not even that of the container's user.
  const session = new ExecSession(
    task,
    task.files.some(({ owner }) => owner !== undefined) ? "0:0" : undefined,
  )
  try {
    await greet(session)
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
  return {
    how: "read back by a shell in it",
    async look(path, content) {
      orderLook(session, 1, path, content)
      return (await lookAnswer(session, path)).found
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
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
