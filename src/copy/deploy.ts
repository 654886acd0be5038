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
 * Copies a set into a container, reloads it, and checks that it serves the new certificate; otherwise the old set is
 * put back. Throws the errors of `copyInto`, `reloadContainer` and `rollOut`.
 */
export async function deployToContainer(
  engine: Engine,
  container: ContainerDetails,
  files: readonly FileToCopy[],
  options: DeployOptions,
): Promise<Deployed> {
  const { checks, reload } = options
  if (checks.length > 0 && reload?.kind === "restart")
    throw new PurserError("ERR_CHECK", "a check cannot be combined with the reload restart", {
      hint: "use a signal or exec:COMMAND, because a restart empties the container's memory and the old files with it",
    })
  const set = files.map((file) => ({ ...file, name: file.path }))
  // Throws for a check without a matching leaf, even if the set is in place already, and before the container is read.
  leavesAmong(checks, set)
  return await rollOut(containerTarget(engine, container, options), set, options)
}
