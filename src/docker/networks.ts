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
  /** Without a way out of this host. */
  readonly internal: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[]
  /** By the container's full id; `ipv4Address` has its prefix: `172.18.0.2/16`. */
  readonly containers: Readonly<Record<string, { readonly name: string; readonly ipv4Address: string }>>
}

/** One that is not there is `ERR_DOCKER` with status 404. */
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
  /** No way out of this host. */
  readonly internal?: boolean
  /** Default: bridge. */
  readonly driver?: string
  readonly labels?: Readonly<Record<string, string>>
}

/** Resolves with the id. A name that is taken is `ERR_DOCKER` with status 409. */
export async function createNetwork(
  engine: Engine,
  { name, internal = false, driver = "bridge", labels = {} }: NetworkToCreate,
  signal: AbortSignal,
): Promise<string> {
  const body = { Name: name, CheckDuplicate: true, Internal: internal, Driver: driver, Labels: labels }
  const call = { method: "POST", path: "/networks/create", body, signal } as const
  return (await engine.json<{ readonly Id: string }>(call)).Id
}

/** One that is gone is no error. */
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

/** By force, so that one that has stopped is let go too. What is not there or not connected is no error. */
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

/** `labels`: `key` or `key=value`; all of them must fit. */
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
