import type { Log } from "../base/log.ts"
import type { Engine } from "../docker/engine.ts"
import { createSecretDirectory, roots, type SecretDirectory, type SecretToMount } from "./directory.ts"
import { checkSameHost } from "./host.ts"
import { isInUse, removeLeftovers } from "./leftovers.ts"
import { probeMounts } from "./probe.ts"

/**
 * Puts secrets into the host's memory, to be mounted before a container's first instruction. The caller starts the
 * container with the returned mounts and label, and disposes of the secrets when the container has ended. Nothing here
 * starts a container or writes a secret to a disk. Needs root on the Linux host that the engine runs on.
 */

export interface ContainerToStart {
  readonly image: string
  /** `USER[:GROUP]`. Default: the image's own. */
  readonly user: string | undefined
}

export interface MountOptions {
  /** Pulls the image. Called when it is not on the engine. */
  pull: () => Promise<void>
  log: Log
  signal: AbortSignal
  /** The parents to try; the first one in memory is used. Default: {@link roots}. */
  candidates?: readonly string[]
}

/**
 * Resolves when the secrets are in place, readable by the container's user and writable by none. First removes the
 * directories that killed processes left. Throws `ERR_ROUTE` when the engine cannot mount our directory or the image has
 * no such user, `ERR_DISK` when the directory would not be in memory, and `ERR_TARGET`.
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
