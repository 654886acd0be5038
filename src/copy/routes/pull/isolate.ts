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

/** A temporary internal network of the engine, which holds one container for one copy. */
export interface Isolated extends AsyncDisposable {
  /** This machine's address on the network. */
  readonly gateway: string
}

/** The label of a temporary network; its value is the container's full id. */
export const temporaryLabel = "purser.temporary"

const stepMs = 10_000

/**
 * Creates a temporary network and connects the container. Disposing disconnects it and removes the network. Throws
 * `ERR_ROUTE` if this machine gets no address there.
 */
export async function isolate(engine: Engine, containerId: string, signal: AbortSignal): Promise<Isolated> {
  signal.throwIfAborted()
  // The caller's signal is not passed on, because the id of a network that the engine has created must be known to
  // remove it.
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
