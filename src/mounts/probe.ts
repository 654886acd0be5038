import { PurserError, isPurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { getArchive } from "../docker/archive.ts"
import { createContainer, removeContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { inspectImage } from "../docker/images.ts"
import { readTar } from "../docker/tar.ts"
import type { RunDirectory } from "./directory.ts"

/** Finds out, by a container that is never started, whether the engine sees our directory, and who its user will be. */

export interface ProbeOptions {
  /** Brings an image that is not there. */
  pull: () => Promise<void>
  signal: AbortSignal
}

/** Resolves with the user and group that the container's process will have. Throws `ERR_ROUTE`. */
export async function tryMounts(
  engine: Engine,
  run: { readonly image: string; readonly user: string | undefined },
  { id, mounts }: RunDirectory,
  { pull, signal }: ProbeOptions,
): Promise<{ uid: number; gid: number }> {
  const body = {
    Image: run.image,
    // It never runs; but an image may have none of its own, and the engine wants one.
    Cmd: ["never"],
    Labels: { "purser.temporary": id },
    HostConfig: {
      NetworkMode: "none",
      // Not Binds, which makes an empty directory of what is missing.
      Mounts: mounts.map(({ source, target }) => ({
        Type: "bind",
        Source: source,
        Target: target,
        ReadOnly: true,
      })),
    },
  }
  const image = await inspectImage(engine, run.image, signal).catch(async (error: unknown) => {
    if (!isPurserError(error, "ERR_NO_SUCH_IMAGE")) throw error
    await pull()
    return await inspectImage(engine, run.image, signal)
  })
  const container = await createContainer(engine, body, signal).catch((error: unknown) => {
    if (
      !isPurserError(error, "ERR_DOCKER") ||
      !/bind source path|invalid mount|no such file/i.test(error.message)
    )
      throw error
    throw new PurserError(
      "ERR_ROUTE",
      "the engine does not see our directory: its host is not where we run",
      {
        cause: error,
        hint: "give the container a tmpfs and let purser cp or purser agent fill it, or put a purser node beside it",
      },
    )
  })
  try {
    return await ownerOf(engine, container, run.user ?? image.user, signal)
  } finally {
    await removeContainer(engine, container, AbortSignal.timeout(10_000))
  }
}

/** `USER[:GROUP]` as the engine reads it: numbers, or names of the image's own. Nothing is root. */
async function ownerOf(
  engine: Engine,
  container: string,
  text: string,
  signal: AbortSignal,
): Promise<{ uid: number; gid: number }> {
  const [user = "", group = ""] = text.split(":")
  const lines = async (path: string): Promise<string[][]> => {
    const archive = await getArchive(engine, container, path, signal).catch((error: unknown) => {
      if (isPurserError(error, "ERR_DOCKER")) return null
      throw error
    })
    const file = archive === null ? undefined : readTar(archive)[0]
    return file === undefined
      ? []
      : file.content
          .toString("utf8")
          .split("\n")
          .map((line) => line.split(":"))
  }
  const uid = isNumber(user) ? Number(user) : user === "" ? 0 : idIn(await lines("/etc/passwd"), user)
  if (uid === undefined) throw unknown("user", user)
  const gid = isNumber(group) ? Number(group) : group === "" ? 0 : idIn(await lines("/etc/group"), group)
  if (gid === undefined) throw unknown("group", group)
  return { uid, gid }
}

function idIn(lines: readonly string[][], name: string): number | undefined {
  const id = lines.find(([first]) => first === name)?.[2]
  return id !== undefined && isNumber(id) ? Number(id) : undefined
}

function isNumber(text: string): boolean {
  return /^\d{1,10}$/.test(text)
}

function unknown(kind: string, name: string): PurserError {
  return new PurserError("ERR_ROUTE", `the image has no ${kind} ${quote(name)}`, {
    hint: "give the number: --user UID[:GID] after the --",
  })
}
