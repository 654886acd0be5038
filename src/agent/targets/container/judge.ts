import type { AppConfig } from "../../../apps/config.ts"
import { membershipOf, type Membership } from "../../../apps/containers/membership.ts"
import { isPurserError } from "../../../base/errors.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"
import { inspectContainer } from "../../../docker/containers.ts"
import type { Engine } from "../../../docker/engine.ts"
import { inspectImage } from "../../../docker/images.ts"

/** One call to the engine; it answers within milliseconds, unless it hangs over one container. */
export const callMs = 15_000

export interface JudgedContainer {
  readonly container: ContainerDetails
  readonly membership: Membership
}

/** Tells whose a container is, from what the engine says of it now. */
export class ContainerJudge {
  readonly #apps: Readonly<Record<string, AppConfig>>
  readonly #imageLabels = new Map<string, Promise<Readonly<Record<string, string>>>>()

  constructor(apps: Readonly<Record<string, AppConfig>>) {
    this.#apps = apps
  }

  /** Undefined when it is gone, or does not run. Throws what the engine's calls throw. */
  async judge(engine: Engine, id: string, outer: AbortSignal): Promise<JudgedContainer | undefined> {
    using limit = new TimeLimit(outer, callMs)
    try {
      const container = await inspectContainer(engine, id, limit.signal)
      if (!container.state.running) return undefined
      const labels = await this.#labelsOf(engine, container.image, limit.signal)
      return { container, membership: membershipOf(this.#apps, container, labels) }
    } catch (error) {
      if (isPurserError(error, "ERR_NO_SUCH_CONTAINER")) return undefined
      throw error
    }
  }

  /** An image's id stands for its content, so that one answer holds for ever. */
  async #labelsOf(
    engine: Engine,
    image: string,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>>> {
    const known = this.#imageLabels.get(image)
    if (known !== undefined) return await known
    const labels = inspectImage(engine, image, signal).then((found) => found.labels)
    this.#imageLabels.set(image, labels)
    labels.catch(() => this.#imageLabels.delete(image))
    return await labels
  }
}
