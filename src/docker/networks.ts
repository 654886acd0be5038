import type { Engine } from "./engine.ts"

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
  throw new Error("not yet")
}

export interface NetworkToCreate {
  readonly name: string
  readonly internal?: boolean
  /** Default: bridge. */
  readonly driver?: string
  readonly labels?: Readonly<Record<string, string>>
}

/** Resolves with the id. A name that is taken is `ERR_DOCKER` with status 409. */
export async function createNetwork(
  engine: Engine,
  network: NetworkToCreate,
  signal: AbortSignal,
): Promise<string> {
  throw new Error("not yet")
}

/** One that is gone is no error. */
export async function removeNetwork(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  throw new Error("not yet")
}

export async function connectNetwork(
  engine: Engine,
  network: string,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  throw new Error("not yet")
}

/** With force: a container that has stopped is let go too. One that is not connected is no error. */
export async function disconnectNetwork(
  engine: Engine,
  network: string,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  throw new Error("not yet")
}

/** `labels` as in listContainers. */
export async function listNetworks(
  engine: Engine,
  options: { readonly labels?: readonly string[] },
  signal: AbortSignal,
): Promise<
  readonly { readonly id: string; readonly name: string; readonly labels: Readonly<Record<string, string>> }[]
> {
  throw new Error("not yet")
}
