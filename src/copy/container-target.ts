import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { ContainerDetails } from "../docker/container-details.ts"
import { inspectContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { localHosts } from "../rollout/check-served.ts"
import type { Reload } from "../rollout/reload.ts"
import type { RolloutTarget } from "../rollout/target.ts"
import { copyInto, type CopyOptions, type CopyResult } from "./copy.ts"
import { readOld } from "./old-files.ts"
import { reloadContainer } from "./reload.ts"
import { removeFrom } from "./remove-files.ts"
import type { FileToCopy, RouteQuery } from "./route.ts"

/** Rolls out into a running container by the route that fits. The caller records pending reloads. */

export interface ContainerTargetOptions extends Omit<CopyOptions, "beforeChange"> {
  readonly reload?: Reload
}

export function containerTarget(
  engine: Engine,
  container: ContainerDetails,
  options: ContainerTargetOptions,
): RolloutTarget<CopyResult> {
  const { reload, signal } = options
  const { id, name, state } = container
  const query = (files: readonly FileToCopy[]): RouteQuery => ({ engine, container, files, signal })
  return {
    oldFiles: "the old files",
    nothingBefore: `there are no old files to put back into ${quote(name)}`,
    hosts: () => hostsOf(engine, container, signal),
    write: (files, beforeChange) =>
      copyInto(engine, container, files, {
        ...options,
        // Routes do not report which files they are about to change, so all are named.
        beforeChange: () => beforeChange(files.map(({ path }) => path)),
      }),
    readOld: (changing) => readOld(query(changing)),
    remove: (paths) => removeFrom(query([]), paths),
    async reload() {
      if (reload === undefined) return false
      await reloadContainer(engine, container, reload, signal)
      return true
    },
    // Away: paused, or stopped or restarted, after which the files in its memory are gone.
    async isAway() {
      const now = await inspectContainer(engine, id, signal)
      return !now.state.running || now.state.paused || now.state.startedAt !== state.startedAt
    },
  }
}

async function hostsOf(
  engine: Engine,
  container: ContainerDetails,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { hostConfigNetworkMode: mode, networks, name } = container
  if (mode === "host") return localHosts
  const other = /^container:(.+)$/.exec(mode)?.[1]
  if (other !== undefined) return await hostsOf(engine, await inspectContainer(engine, other, signal), signal)
  const found = Object.values(networks).map(({ ipAddress }) => ipAddress)
  const addresses = found.filter((address) => address !== "")
  if (addresses.length > 0) return addresses
  throw new PurserError("ERR_CHECK", `${quote(name)} has no address for the check`, {
    hint: "give it a network, or name HOST:PORT in the check",
  })
}
