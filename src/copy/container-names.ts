import { isPurserError } from "../base/errors.ts"
import { getArchive } from "../docker/archive.ts"
import type { Engine } from "../docker/engine.ts"
import { statusOf } from "../docker/refusal.ts"
import { readTar } from "../docker/tar.ts"
import { maxNamesBytes, resolveContainerUser, resolveFileOwner, type ReadNames } from "./container-user.ts"
import type { Owner } from "../files/owner.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/** Who is to own files, for routes that see the container's names only through the engine. */

export interface Owners {
  /** The user that the container runs as; null where its name is gone. */
  readonly usual: Owner | null
  /** By the owners as they stand in the task. */
  readonly named: ReadonlyMap<string, Owner>
}

/** Throws `ERR_TARGET` for a name that is not there. Numbers with a group are not looked up. */
export async function findOwners(
  engine: Engine,
  { id, user }: ContainerDetails,
  files: readonly { readonly owner?: string }[],
  signal: AbortSignal,
): Promise<Owners> {
  const read = namesByArchive(engine, id, signal)
  const named = new Map<string, Owner>()
  for (const { owner } of files) {
    if (owner !== undefined && !named.has(owner)) named.set(owner, await resolveFileOwner(owner, read))
  }
  return { usual: await resolveContainerUser(user, read), named }
}

function namesByArchive(engine: Engine, id: string, signal: AbortSignal): ReadNames {
  const known = new Map<string, Promise<string | null>>()
  const read = async (path: string): Promise<string | null> => {
    const archive = await getArchive(engine, id, path, signal).catch((error: unknown) => {
      // An image need not have one.
      if (isPurserError(error, "ERR_DOCKER") && statusOf(error) === 404) return null
      throw error
    })
    const file = archive === null ? undefined : readTar(archive)[0]
    return file?.type === "file" && file.size <= maxNamesBytes ? file.content.toString("utf8") : null
  }
  return (path) => {
    const found = known.get(path) ?? read(path)
    known.set(path, found)
    return found
  }
}
