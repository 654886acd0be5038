import { asPurserError } from "../../../base/errors.ts"
import type { DeliveryEvent } from "../../delivery/events.ts"
import { deliverToContainer, type ContainerDelivery } from "./deliver.ts"
import type { ContainerFollower } from "./follow.ts"

type Given = Omit<ContainerDelivery, "member" | "container" | "engine">

/** A container's turn. Undefined when there is nothing to give it now. Never rejects. */
export async function serveContainer(
  follower: ContainerFollower,
  { id, app }: { id: string; app: string },
  given: Given,
  signal: AbortSignal,
): Promise<DeliveryEvent | undefined> {
  const begun = performance.now()
  try {
    return await follower.use(id, app, signal, (found) => deliverToContainer({ ...given, ...found }, signal))
  } catch (error) {
    return {
      type: "delivery",
      app,
      // Its name is what could not be asked for.
      target: id.slice(0, 12),
      container: id,
      status: "failed",
      sent: 0,
      matched: 0,
      missing: 0,
      durationMs: Math.round(performance.now() - begun),
      error: asPurserError(error),
    }
  }
}
