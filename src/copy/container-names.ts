import type { ContainerDetails } from "../docker/container-details.ts"
import type { Engine } from "../docker/engine.ts"
import { readFileIn } from "../docker/read-file.ts"
import { maxNamesBytes, type Owner, type ReadNames } from "../files/owner.ts"
import { resolveContainerUser, resolveFileOwner } from "./container-user.ts"

/** The owners of files, for routes that see the container's names only through the engine. */

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

/** Each file is asked for once. */
function namesByArchive(engine: Engine, id: string, signal: AbortSignal): ReadNames {
  const known = new Map<string, Promise<string | null>>()
  return (path) => {
    const found = known.get(path) ?? readFileIn(engine, id, { path, maxBytes: maxNamesBytes }, signal)
    known.set(path, found)
    return found
  }
}
