import type { Log } from "../base/log.ts"
import type { Engine } from "../docker/engine.ts"
import { createSecretDirectory, roots, type SecretDirectory, type SecretToMount } from "./directory.ts"
import { checkSameHost } from "./host.ts"
import { isInUse, removeLeftovers } from "./leftovers.ts"
import { probeMounts } from "./probe.ts"

/**
 * Secrets in the host's memory, mounted before a container's first instruction. The caller starts the container, with
 * the mounts and the label that it gets here, and disposes of the secrets when the container has ended. Nothing here
 * starts a container or writes a secret to a disk. Needs root on the Linux host that the engine runs on.
 */

export interface ContainerToStart {
  readonly image: string
  /** `USER[:GROUP]`; undefined for the image's own. */
  readonly user: string | undefined
}

export interface MountOptions {
  /** Brings the image, if it is not there. */
  pull: () => Promise<void>
  log: Log
  signal: AbortSignal
  /** Parents of the directory, the first that lies in memory counts; default: the machine's own. */
  candidates?: readonly string[]
}

/**
 * Resolves when the secrets are in place, for the container's user to read and nobody to write. Removes what killed
 * processes left, first. Throws `ERR_ROUTE` where the engine cannot mount our directory, or has no such user,
 * `ERR_DISK` where it would not lie in memory, and `ERR_TARGET`.
 */
export async function mountSecrets(
  engine: Engine,
  container: ContainerToStart,
  secrets: readonly SecretToMount[],
  { pull, log, signal, candidates = roots }: MountOptions,
): Promise<SecretDirectory> {
  await checkSameHost(engine, signal)
  await removeLeftovers((id) => isInUse(engine, id, signal), { log, candidates })
  await using made = new AsyncDisposableStack()
  const directory = made.use(await createSecretDirectory(secrets, candidates))
  await directory.fill(await probeMounts(engine, container, directory, { pull, signal }))
  made.move()
  return directory
}
