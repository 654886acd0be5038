import type { ContainerDetails } from "../docker/container-details.ts"
import type { Engine } from "../docker/engine.ts"
import { readFileIn } from "../docker/read-file.ts"
import { maxNamesBytes, type Owner, type ReadNames } from "../files/owner.ts"
import { resolveContainerUser, resolveFileOwner } from "./container-user.ts"

/** Finds the owners of files, for routes that can read the container's user names only through the engine. */

export interface ResolvedOwners {
  /** The user that the container runs as; null if its name no longer exists there. */
  readonly containerUser: Owner | null
  /** Keyed by the owner as given in the task. */
  readonly named: ReadonlyMap<string, Owner>
}

/**
 * Resolves the owners of these files. Numbers with a group are not looked up. Throws `ERR_TARGET` for a name that does
 * not exist.
 */
export async function findOwners(
  engine: Engine,
  { id, user }: ContainerDetails,
  files: readonly { readonly owner?: string }[],
  signal: AbortSignal,
): Promise<ResolvedOwners> {
  const read = namesByArchive(engine, id, signal)
  const named = new Map<string, Owner>()
  for (const { owner } of files) {
    if (owner !== undefined && !named.has(owner)) named.set(owner, await resolveFileOwner(owner, read))
  }
  return { containerUser: await resolveContainerUser(user, read), named }
}

/** Returns a reader that fetches each file from the engine once. */
function namesByArchive(engine: Engine, id: string, signal: AbortSignal): ReadNames {
  const known = new Map<string, Promise<string | null>>()
  return (path) => {
    const found = known.get(path) ?? readFileIn(engine, id, { path, maxBytes: maxNamesBytes }, signal)
    known.set(path, found)
    return found
  }
}
