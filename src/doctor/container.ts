import { ownLabels } from "../apps/containers/labels.ts"
import { inspectImage } from "../docker/images.ts"
import type { Engine } from "../docker/engine.ts"
import { isPurserError } from "../base/errors.ts"
import {
  commandFindings,
  environmentFindings,
  healthCheckFindings,
  labelFindings,
  pairsOf,
} from "./checks/configured.ts"
import { containerTmpfsFindings, shellFindings } from "./checks/delivery.ts"
import { hostFileFindings } from "./checks/host-files.ts"
import type { CheckFinding } from "./finding.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/** Returns why a container that asks for an app gets nothing; null if it gets its app or asks for none. */
export type AsksInVain = (
  container: ContainerDetails,
  imageLabels: Readonly<Record<string, string>>,
) => { readonly reason: string; readonly hint: string } | null

export interface ContainerOptions {
  /** Whether Purser runs as root on the engine's host, so that the route proc works. */
  readonly mayUseProc: boolean
  /** Undefined if no purser.yaml was found. */
  readonly asksInVain: AsksInVain | undefined
  readonly signal: AbortSignal
}

/**
 * Examines a container. Findings that it inherits from its image are left out, because they are reported with the
 * image.
 */
export async function containerFindings(
  engine: Engine,
  container: ContainerDetails,
  { mayUseProc, asksInVain, signal }: ContainerOptions,
): Promise<CheckFinding[]> {
  const image = await inspectImage(engine, container.image, signal).catch((error: unknown) => {
    if (isPurserError(error, "ERR_NO_SUCH_IMAGE")) return undefined
    throw error
  })
  const inherited = new Set(image?.env)
  const labels = ownLabels(container.labels, image?.labels ?? {})
  const same = (one: readonly string[], other: readonly string[] | undefined): boolean =>
    JSON.stringify(one) === JSON.stringify(other)
  const found = [
    ...environmentFindings(pairsOf(container.env.filter((entry) => !inherited.has(entry)))),
    ...labelFindings(labels),
    ...(same(container.entrypoint, image?.entrypoint) ? [] : commandFindings(container.entrypoint)),
    ...(same(container.command, image?.command) ? [] : commandFindings(container.command)),
    ...(same(container.healthcheck, image?.healthcheck) ? [] : healthCheckFindings(container.healthcheck)),
  ]
  const inVain = asksInVain?.(container, image?.labels ?? {}) ?? null
  if (inVain !== null)
    found.push({
      rule: "asks-in-vain",
      level: "warning",
      message: `it gets nothing: ${inVain.reason}`,
      fix: inVain.hint,
    })
  found.push(...(await containerTmpfsFindings(engine, container, signal)))
  if (container.state.running) found.push(...(await shellFindings(engine, container, { mayUseProc, signal })))
  if (engine.isLocal)
    for (const { type, source } of container.mounts)
      if (type === "bind") found.push(...(await hostFileFindings(source)))
  return found
}
