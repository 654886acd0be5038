import type { AppConfig } from "../../../apps/config.ts"
import { appLabel } from "../../../apps/containers/labels.ts"
import type { AgentParts, FoundTargets, OpenTargetKind, TargetKind, TargetPlan, Warning } from "../kind.ts"
import { deliverToContainer, isAway } from "./deliver.ts"
import { ContainerFollower } from "./follow.ts"
import { ReportedOnce } from "./reported-once.ts"
import type { ContainerTarget } from "./target.ts"

const nameImages =
  "name the images: image: [sha256:…], as docker inspect --format '{{.Image}}' CONTAINER gives it"

/** Running containers of an engine that ask for an app, or that the rule of an app picks. */
export const containerKind: TargetKind<ContainerTarget> = {
  name: "container",
  appKey: "containers",
  isFor: ({ containers }) => containers !== undefined,
  notFoundHint: `no running container meets its containers:, or asks for it by the label ${appLabel}`,
  warnings,
  checkWarnings,
  key: ({ app, id }) => `${app} ${id}`,
  create(parts) {
    const reported = new ReportedOnce()
    return { open: (plan, found) => openContainers(plan, found, { ...parts, reported }) }
  },
}

function openContainers(
  { apps, connectEngine: connect, isOnce }: TargetPlan,
  found: FoundTargets<ContainerTarget>,
  { state, audit, log, failedSets, reported }: AgentParts & { readonly reported: ReportedOnce },
): OpenTargetKind<ContainerTarget> {
  if (Object.values(apps).every(({ containers }) => containers === undefined)) return nothing(found)
  if (connect === undefined) throw new TypeError("apps have containers, and the plan no engine")
  const { containers: starts } = state
  const follower = new ContainerFollower({ connect, apps, found, starts, reported, audit, log })
  return {
    find: (signal) => follower.look(signal),
    watch: () => follower.start(),
    async deliver(target, delivery, signal) {
      // The engine has not told its name yet.
      delivery.aim({ target: target.id.slice(0, 12), container: target.id })
      await follower.use(target, signal, (inspected) =>
        deliverToContainer(
          delivery,
          { ...inspected, starts, reported, failedSets, isOnce, audit, log },
          signal,
        ),
      )
    },
    isAway,
    [Symbol.asyncDispose]: () => follower[Symbol.asyncDispose](),
  }
}

/** Asks for no engine, because no app has containers. */
function nothing(found: FoundTargets<ContainerTarget>): OpenTargetKind<ContainerTarget> {
  return {
    find: async () => {},
    watch: () => found.keepOnly(() => false),
    deliver: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

function warnings({ name, containers }: AppConfig): Warning[] {
  if (containers === undefined || containers.images !== undefined) return []
  return [
    {
      message: `${name} has any_image: true, so a container of any image gets its secrets if it meets the rest of the rule`,
      hint: nameImages,
    },
  ]
}

function checkWarnings({ name, containers }: AppConfig): Warning[] {
  const found: Warning[] = []
  if (containers !== undefined && containers.images === undefined)
    found.push({ message: `${name} may go into containers of any image`, hint: nameImages })
  if (containers?.requireTmpfs === false)
    found.push({
      message: `${name} may lie on the disks of its containers`,
      hint: "give them a tmpfs, and take require_tmpfs away",
    })
  return found
}
