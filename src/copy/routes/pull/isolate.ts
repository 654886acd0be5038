import { randomBytes } from "node:crypto"
import { PurserError } from "../../../base/errors.ts"
import type { Engine } from "../../../docker/engine.ts"
import {
  connectNetwork,
  createNetwork,
  disconnectNetwork,
  inspectNetwork,
  removeNetwork,
} from "../../../docker/networks.ts"

/** A network of the engine's without a way out, which holds one container and only for one copy. */
export interface Isolated extends AsyncDisposable {
  /** This machine's address on it. */
  readonly gateway: string
}

/** Whether it is one of these; its value is the container's full id. */
export const temporaryLabel = "purser.temporary"

const stepMs = 10_000

/** Disposing takes the container out and removes the network, whatever has happened meanwhile. */
export async function isolate(engine: Engine, containerId: string, signal: AbortSignal): Promise<Isolated> {
  signal.throwIfAborted()
  // Not by the caller's signal: what the engine has begun must be known, or nobody would remove it.
  const id = await createNetwork(
    engine,
    {
      name: `purser-temporary-${randomBytes(8).toString("hex")}`,
      internal: true,
      labels: { [temporaryLabel]: containerId },
    },
    AbortSignal.timeout(stepMs),
  )
  const remove = async (): Promise<void> => {
    try {
      await disconnectNetwork(engine, id, containerId, AbortSignal.timeout(stepMs))
    } finally {
      await removeNetwork(engine, id, AbortSignal.timeout(stepMs))
    }
  }
  try {
    signal.throwIfAborted()
    await connectNetwork(engine, id, containerId, AbortSignal.timeout(stepMs))
    signal.throwIfAborted()
    const { subnets } = await inspectNetwork(engine, id, signal)
    const gateway = subnets.find((subnet) => subnet.gateway !== "")?.gateway.replace(/\/\d+$/, "")
    if (gateway === undefined)
      throw new PurserError("ERR_ROUTE", "the engine gives this machine no address on the temporary network")
    return { gateway, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove().catch(() => {})
    throw error
  }
}
