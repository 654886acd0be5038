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
import type { Found } from "./finding.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/** Why a container that asks for an app gets nothing; null when it gets what it asks for, or asks for nothing. */
export type AsksInVain = (
  container: ContainerDetails,
  imageLabels: Readonly<Record<string, string>>,
) => { readonly reason: string; readonly hint: string } | null

export interface ContainerOptions {
  /** Root beside the engine. */
  readonly mayUseProc: boolean
  /** Undefined where nothing is known of the apps. */
  readonly asksInVain: AsksInVain | undefined
  readonly signal: AbortSignal
}

/** What a container has of its image is told with the image, so that it is told once. */
export async function containerFindings(
  engine: Engine,
  container: ContainerDetails,
  { mayUseProc, asksInVain, signal }: ContainerOptions,
): Promise<Found[]> {
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
