import { PurserError, isPurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { createContainer, removeContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { inspectImage } from "../docker/images.ts"
import { readFileIn } from "../docker/read-file.ts"
import { maxNamesBytes, resolveOwner, type Owner, type ReadNames } from "../files/owner.ts"
import type { SecretDirectory } from "./directory.ts"

export interface ProbeOptions {
  /** Pulls the image. Called when it is not on the engine. */
  pull: () => Promise<void>
  signal: AbortSignal
}

/**
 * Creates a container that is never started, to test whether the engine sees our directory. Resolves with the user and
 * group that the container's process will have. Throws `ERR_ROUTE`.
 */
export async function probeMounts(
  engine: Engine,
  { image: name, user }: { readonly image: string; readonly user: string | undefined },
  { id, mounts }: Pick<SecretDirectory, "id" | "mounts">,
  { pull, signal }: ProbeOptions,
): Promise<Owner> {
  const body = {
    Image: name,
    // Required by the engine when the image has no command. It never runs.
    Cmd: ["never"],
    Labels: { "purser.temporary": id },
    HostConfig: {
      NetworkMode: "none",
      // Not Binds, which creates an empty directory for a missing source.
      Mounts: mounts.map(({ source, target }) => ({
        Type: "bind",
        Source: source,
        Target: target,
        ReadOnly: true,
      })),
    },
  }
  const image = await inspectImage(engine, name, signal).catch(async (error: unknown) => {
    if (!isPurserError(error, "ERR_NO_SUCH_IMAGE")) throw error
    await pull()
    return await inspectImage(engine, name, signal)
  })
  const container = await createContainer(engine, body, signal).catch((error: unknown) => {
    if (
      !isPurserError(error, "ERR_DOCKER") ||
      !/bind source path|invalid mount|no such file/i.test(error.message)
    )
      throw error
    throw new PurserError(
      "ERR_ROUTE",
      "the engine does not see this host's directories, so it runs on another host",
      {
        cause: error,
        hint: "give the container a tmpfs and let purser cp or purser agent fill it, or put a purser node beside it",
      },
    )
  })
  try {
    // An empty --user means the image's own user too.
    return await ownerIn(engine, container, user || image.user, signal)
  } finally {
    await removeContainer(engine, container, AbortSignal.timeout(10_000))
  }
}

async function ownerIn(engine: Engine, container: string, user: string, signal: AbortSignal): Promise<Owner> {
  const read: ReadNames = (path) => readFileIn(engine, container, { path, maxBytes: maxNamesBytes }, signal)
  return await resolveOwner(user, read, { groupOfUnlisted: () => 0, unknown })
}

function unknown(kind: "user" | "group", name: string): PurserError {
  return new PurserError("ERR_ROUTE", `the image has no ${kind} ${quote(name)}`, {
    hint: "give the number: --user UID[:GID] after the --",
  })
}
