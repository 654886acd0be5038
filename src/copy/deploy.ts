import { PurserError } from "../base/errors.ts"
import type { ContainerDetails } from "../docker/container-details.ts"
import type { Engine } from "../docker/engine.ts"
import { rollOut, type Outcome, type RolloutOptions } from "../rollout/rollout.ts"
import { containerTarget, type ContainerTargetOptions } from "./container-target.ts"
import type { CopyResult } from "./copy.ts"
import type { FileToCopy } from "./route.ts"
import { leavesAmong } from "../rollout/leaf.ts"

export interface DeployOptions extends ContainerTargetOptions, RolloutOptions<CopyResult> {
  readonly beforeChange?: () => Promise<void>
  readonly signal: AbortSignal
}

export type Deployed = CopyResult & Outcome

/**
 * Copies a set into a container, reloads it, and checks that what it serves is new; if it is not, the old set is put
 * back. Throws what `copyInto`, `reloadContainer` and `rollOut` throw.
 */
export async function deployToContainer(
  engine: Engine,
  container: ContainerDetails,
  files: readonly FileToCopy[],
  options: DeployOptions,
): Promise<Deployed> {
  const { checks, reload } = options
  if (checks.length > 0 && reload?.kind === "restart")
    throw new PurserError("ERR_CHECK", "a check does not go together with the reload restart", {
      hint: "a restart empties the container's memory, the old files with it: use a signal or exec:COMMAND",
    })
  const set = files.map((file) => ({ ...file, name: file.path }))
  // Also for a set that is in place already, and before the container is looked into.
  leavesAmong(checks, set)
  return await rollOut(containerTarget(engine, container, options), set, options)
}
