import type { AppConfig } from "../../../apps/config.ts"
import type { AgentParts, FoundTargets, OpenTargetKind, TargetKind, Warning } from "../kind.ts"
import { deliverToContainer, isAway } from "./deliver.ts"
import { ContainerFollower } from "./follow.ts"
import { ReportedOnce } from "./reported-once.ts"
import type { ContainerTarget } from "./target.ts"

/** Running containers of an engine that ask for an app, or that the rule of an app picks. */
export function createContainerKind(parts: AgentParts): TargetKind<ContainerTarget> {
  const { state, audit, log, failedSets } = parts
  const { containers: starts } = state
  const reported = new ReportedOnce()
  return {
    name: "container",
    key: ({ app, id }) => `${app} ${id}`,
    open({ apps, connectEngine: connect, isOnce }, found) {
      if (Object.values(apps).every(({ containers }) => containers === undefined)) return nothing(found)
      if (connect === undefined) throw new TypeError("apps have containers, and the plan no engine")
      const follower = new ContainerFollower({ connect, apps, found, starts, reported, audit, log })
      return {
        find: (signal) => follower.look(signal),
        watch: () => follower.start(),
        async deliver(target, delivery, signal) {
          // Its name is what could not be asked for.
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
    },
    warnings,
  }
}

/** Where no app has containers nobody asks for an engine. */
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
      message: `${name} has any_image: true: what else its rule asks for is all that its containers must meet`,
      hint: "name the images: image: [sha256:…], as docker inspect --format '{{.Image}}' CONTAINER gives it",
    },
  ]
}
