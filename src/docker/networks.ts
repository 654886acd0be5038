import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Engine } from "./engine.ts"
import { labelFilter } from "./filters.ts"
import { statusOf } from "./refusal.ts"

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Network */

export interface NetworkDetails {
  readonly id: string
  readonly name: string
  readonly driver: string
  /** Whether the network has no route out of its host. */
  readonly internal: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[]
  /** Keyed by the container's full id; `ipv4Address` includes the prefix length: `172.18.0.2/16`. */
  readonly containers: Readonly<Record<string, { readonly name: string; readonly ipv4Address: string }>>
}

/** Returns the network's details. Throws `ERR_DOCKER` with status 404 for a missing network. */
export async function inspectNetwork(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<NetworkDetails> {
  const answer = await engine.json<NetworkAnswer>({ path: pathOf(idOrName), signal })
  return {
    id: answer.Id,
    name: answer.Name,
    driver: answer.Driver,
    internal: answer.Internal,
    labels: answer.Labels ?? {},
    subnets: (answer.IPAM?.Config ?? []).map(({ Subnet, Gateway }) => ({
      subnet: Subnet ?? "",
      gateway: Gateway ?? "",
    })),
    containers: Object.fromEntries(
      Object.entries(answer.Containers ?? {}).map(([id, { Name, IPv4Address }]) => [
        id,
        { name: Name, ipv4Address: IPv4Address ?? "" },
      ]),
    ),
  }
}

interface NetworkAnswer {
  readonly Id: string
  readonly Name: string
  readonly Driver: string
  readonly Internal: boolean
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly IPAM?: {
    readonly Config?: readonly { readonly Subnet?: string; readonly Gateway?: string }[] | null
  } | null
  readonly Containers?: Readonly<
    Record<string, { readonly Name: string; readonly IPv4Address?: string }>
  > | null
}

export interface NetworkToCreate {
  readonly name: string
  /** Whether the network has no route out of its host. Default: false. */
  readonly internal?: boolean
  /** Default: bridge. */
  readonly driver?: string
  readonly labels?: Readonly<Record<string, string>>
}

/** Creates a network and resolves with its id. Throws `ERR_DOCKER` with status 409 if the name is taken. */
export async function createNetwork(
  engine: Engine,
  { name, internal = false, driver = "bridge", labels = {} }: NetworkToCreate,
  signal: AbortSignal,
): Promise<string> {
  const body = { Name: name, CheckDuplicate: true, Internal: internal, Driver: driver, Labels: labels }
  const call = { method: "POST", path: "/networks/create", body, signal } as const
  return (await engine.json<{ readonly Id: string }>(call)).Id
}

/** Removes a network; succeeds if it is gone already. */
export async function removeNetwork(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.json({ method: "DELETE", path: pathOf(id), signal })
  } catch (error) {
    if (statusOf(error) !== 404) throw error
  }
}

export async function connectNetwork(
  engine: Engine,
  network: string,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  const body = { Container: container }
  await engine.json({ method: "POST", path: `${pathOf(network)}/connect`, body, signal })
}

/**
 * Disconnects a container, by force so that a stopped one is disconnected too. Succeeds if it is not connected or
 * either is gone.
 */
export async function disconnectNetwork(
  engine: Engine,
  network: string,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  const body = { Container: container, Force: true }
  try {
    await engine.json({ method: "POST", path: `${pathOf(network)}/disconnect`, body, signal })
  } catch (error) {
    const isNotIn = error instanceof Error && /is not connected to/.test(error.message)
    if (statusOf(error) !== 404 && !isNotIn) throw error
  }
}

export interface NetworkSummary {
  readonly id: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** Lists networks. `labels`: `key` or `key=value`; a network must match all of them. */
export async function listNetworks(
  engine: Engine,
  { labels = [] }: { readonly labels?: readonly string[] },
  signal: AbortSignal,
): Promise<readonly NetworkSummary[]> {
  const query = { filters: labelFilter(labels) }
  const found = await engine.json<readonly NetworkAnswer[]>({ path: "/networks", query, signal })
  return found.map(({ Id, Name, Labels }) => ({ id: Id, name: Name, labels: Labels ?? {} }))
}

function pathOf(idOrName: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(idOrName)) return `/networks/${idOrName}`
  throw new PurserError("ERR_DOCKER", `${quote(idOrName)} is not a network's name or id`)
}
