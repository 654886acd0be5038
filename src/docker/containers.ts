import type { Engine } from "./engine.ts"

/**
 * Containers. Every `id` may be a name or an id in part, as the engine takes them, but what must not hit
 * another container uses the full id of {@link inspectContainer}.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container
 */

export interface ContainerDetails {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Without the engine's leading slash. */
  readonly name: string
  /** `sha256:…`, the image's own id. */
  readonly image: string
  /** As it was asked for: `my/web:1`. */
  readonly imageName: string
  readonly state: ContainerState
  /** As it was configured: `USER[:GROUP]`, names or numbers; empty for root. */
  readonly user: string
  /** Those of the image are among them. */
  readonly labels: Readonly<Record<string, string>>
  /** `NAME=value`. */
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** As the API has it: `["CMD-SHELL", "…"]`, empty for none. */
  readonly healthcheck: readonly string[]
  readonly readOnlyRootfs: boolean
  /** From --tmpfs: destination to options (`size=8m,mode=0700`). */
  readonly tmpfs: Readonly<Record<string, string>>
  /** Without those of `tmpfs`. */
  readonly mounts: readonly ContainerMount[]
  /** By the network's name. */
  readonly networks: Readonly<Record<string, ContainerNetwork>>
  /** `host`, or empty for the engine's own setting. */
  readonly usernsMode: string
  readonly privileged: boolean
  readonly tty: boolean
  /** `bridge`, `host`, `none`, `container:ID`, a network's name. */
  readonly hostConfigNetworkMode: string
}

export interface ContainerState {
  /** True while paused as well. */
  readonly running: boolean
  readonly paused: boolean
  readonly restarting: boolean
  /** On the engine's host; 0 when it is not running. */
  readonly pid: number
  /** RFC 3339 with nanoseconds; new for every start. */
  readonly startedAt: string
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`. */
  readonly status: string
  /** Of the last run. */
  readonly exitCode: number
}

export interface ContainerMount {
  /** `bind`, `volume`, `tmpfs`, … */
  readonly type: string
  /** Of a volume. */
  readonly name?: string
  /** On the engine's host. */
  readonly source: string
  /** In the container. */
  readonly destination: string
  readonly readWrite: boolean
  /** Of a volume: `local`. */
  readonly driver?: string
}

export interface ContainerNetwork {
  readonly networkId: string
  /** Empty while it has none. */
  readonly ipAddress: string
  readonly gateway: string
}

export interface ContainerSummary {
  readonly id: string
  /** Without the leading slash; its own name and those that links gave. */
  readonly names: readonly string[]
  /** As it was asked for; the id where the name has moved on to another image. */
  readonly image: string
  readonly imageId: string
  readonly labels: Readonly<Record<string, string>>
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`. */
  readonly state: string
}

/** Throws `ERR_NO_SUCH_CONTAINER`. */
export async function inspectContainer(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<ContainerDetails> {
  throw new Error("not yet")
}

export interface ListOptions {
  /** Also those that do not run. */
  readonly all?: boolean
  /** `key` or `key=value`; all of them must fit. */
  readonly labels?: readonly string[]
}

export async function listContainers(
  engine: Engine,
  options: ListOptions,
  signal: AbortSignal,
): Promise<readonly ContainerSummary[]> {
  throw new Error("not yet")
}

/** `body` is the API's own (`Image`, `Cmd`, `Labels`, `HostConfig`, …). Resolves with the new container's id. */
export async function createContainer(
  engine: Engine,
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  name?: string,
): Promise<string> {
  throw new Error("not yet")
}

/** One that runs already is no error. */
export async function startContainer(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  throw new Error("not yet")
}

export interface WaitOptions {
  readonly signal: AbortSignal
  /** Default: `not-running`, which a container that was never started is already. */
  readonly condition?: "not-running" | "next-exit" | "removed"
  /** The engine waits from now on. Start the container here: one that is faster than the question is missed. */
  readonly onReady?: () => void | Promise<void>
}

/** Resolves with its exit code. */
export async function waitContainer(engine: Engine, id: string, options: WaitOptions): Promise<number> {
  throw new Error("not yet")
}

/** `signalName` with or without SIG. Throws `ERR_NOT_RUNNING`. */
export async function killContainer(
  engine: Engine,
  id: string,
  signalName: string,
  signal: AbortSignal,
): Promise<void> {
  throw new Error("not yet")
}

/** The engine kills it after `graceSeconds` (default: the container's own stop time limit, or 10). */
export async function restartContainer(
  engine: Engine,
  id: string,
  signal: AbortSignal,
  graceSeconds?: number,
): Promise<void> {
  throw new Error("not yet")
}

/** One that is stopped already is no error. */
export async function stopContainer(
  engine: Engine,
  id: string,
  signal: AbortSignal,
  graceSeconds?: number,
): Promise<void> {
  throw new Error("not yet")
}

/** Kills it if it runs, and removes its anonymous volumes. One that is gone is no error. */
export async function removeContainer(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  throw new Error("not yet")
}
