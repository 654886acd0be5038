import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { readResponse } from "./body.ts"
import { detailsOf, type InspectAnswer, type ContainerDetails } from "./container-details.ts"
import type { Engine } from "./engine.ts"
import { labelFilter } from "./filters.ts"
import { statusOf } from "./refusal.ts"

export interface ContainerSummary {
  readonly id: string
  /** The container's own name and its link aliases, without the leading slash. */
  readonly names: readonly string[]
  /** The image's name as given, or its id if that name now belongs to another image. */
  readonly image: string
  readonly imageId: string
  readonly labels: Readonly<Record<string, string>>
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`. */
  readonly state: string
}

/** Returns the container's details. Throws `ERR_NO_SUCH_CONTAINER`. */
export async function inspectContainer(
  engine: Engine,
  idOrName: string,
  signal: AbortSignal,
): Promise<ContainerDetails> {
  return detailsOf(await engine.json<InspectAnswer>({ path: `${containerPath(idOrName)}/json`, signal }))
}

export interface ListOptions {
  /** Whether to include containers that do not run. */
  readonly all?: boolean
  /** `key` or `key=value`; a container must match all of them. */
  readonly labels?: readonly string[]
}

/** Lists running containers, or all. A container created or removed during the call may be missing. */
export async function listContainers(
  engine: Engine,
  { all = false, labels = [] }: ListOptions,
  signal: AbortSignal,
): Promise<readonly ContainerSummary[]> {
  const query = { all: all ? "1" : undefined, filters: labelFilter(labels) }
  const found = await engine.json<ListAnswer>({ path: "/containers/json", query, signal })
  return found.map(({ Id, Names, Image, ImageID, Labels, State }) => ({
    id: Id,
    names: (Names ?? []).map((name) => name.replace(/^\//, "")),
    image: Image,
    imageId: ImageID,
    labels: Labels ?? {},
    state: State,
  }))
}

type ListAnswer = readonly {
  readonly Id: string
  readonly Names: readonly string[] | null
  readonly Image: string
  readonly ImageID: string
  readonly Labels: Readonly<Record<string, string>> | null
  readonly State: string
}[]

/**
 * Creates a container from `body`, the API's request (`Image`, `Cmd`, `Labels`, `HostConfig`, …). Resolves with its id.
 */
export async function createContainer(
  engine: Engine,
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  name?: string,
): Promise<string> {
  const call = { method: "POST", path: "/containers/create", query: { name }, body, signal } as const
  return (await engine.json<{ readonly Id: string }>(call)).Id
}

/** Starts a container; succeeds if it runs already. */
export async function startContainer(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  await engine.json({ method: "POST", path: `${containerPath(id)}/start`, signal })
}

export interface WaitOptions {
  readonly signal: AbortSignal
  /** Default: `not-running`, which a container that was never started fulfils at once. */
  readonly condition?: "not-running" | "next-exit" | "removed"
  /** Called once the engine waits. Start the container here, because the exit of one started earlier can be missed. */
  readonly onReady?: () => void | Promise<void>
}

/** Waits for a container and resolves with its exit code. */
export async function waitContainer(
  engine: Engine,
  id: string,
  { signal, condition, onReady }: WaitOptions,
): Promise<number> {
  const path = `${containerPath(id)}/wait`
  // The engine sends the response's head as soon as it waits.
  const { body } = await engine.request({ method: "POST", path, query: { condition }, signal })
  let answer: { readonly StatusCode?: number; readonly Error?: { readonly Message?: string } | null }
  try {
    await onReady?.()
    answer = JSON.parse((await readResponse(body, 64 * 1024, signal)).toString("utf8")) as typeof answer
  } catch (error) {
    body.destroy()
    if (!(error instanceof SyntaxError)) throw error
    throw new PurserError("ERR_DOCKER", `the engine's answer to POST ${path} is not JSON`, { cause: error })
  }
  const message = answer.Error?.Message
  if (message !== undefined && message !== "") {
    throw new PurserError("ERR_DOCKER", `the engine cannot wait for the container: ${quote(message)}`)
  }
  return answer.StatusCode ?? -1
}

/** Sends a signal, named with or without SIG. Throws `ERR_NOT_RUNNING`. */
export async function killContainer(
  engine: Engine,
  id: string,
  signalName: string,
  signal: AbortSignal,
): Promise<void> {
  await engine.json({
    method: "POST",
    path: `${containerPath(id)}/kill`,
    query: { signal: signalName },
    signal,
  })
}

/**
 * Restarts a container; the engine kills it after `graceSeconds` (default: the container's own stop timeout, or 10).
 */
export async function restartContainer(
  engine: Engine,
  id: string,
  signal: AbortSignal,
  graceSeconds?: number,
): Promise<void> {
  await engine.json({
    method: "POST",
    path: `${containerPath(id)}/restart`,
    query: graceOf(graceSeconds),
    signal,
  })
}

/** Stops a container; succeeds if it is stopped already. `graceSeconds` as for {@link restartContainer}. */
export async function stopContainer(
  engine: Engine,
  id: string,
  signal: AbortSignal,
  graceSeconds?: number,
): Promise<void> {
  await engine.json({
    method: "POST",
    path: `${containerPath(id)}/stop`,
    query: graceOf(graceSeconds),
    signal,
  })
}

function graceOf(seconds: number | undefined): Record<string, string | undefined> {
  return { t: seconds === undefined ? undefined : String(seconds) }
}

/** Kills and removes a container with its anonymous volumes; succeeds if it is gone or being removed. */
export async function removeContainer(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.json({ method: "DELETE", path: containerPath(id), query: { force: "1", v: "1" }, signal })
  } catch (error) {
    const status = statusOf(error)
    const isGoing = error instanceof Error && /already in progress/.test(error.message)
    if (status !== 404 && !(status === 409 && isGoing)) throw error
  }
}

/**
 * Returns the container's API path. Throws `ERR_NO_SUCH_CONTAINER` for a text that could lead to another path of the
 * API.
 */
export function containerPath(idOrName: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(idOrName)) return `/containers/${idOrName}`
  throw new PurserError("ERR_NO_SUCH_CONTAINER", `${quote(idOrName)} is not a container's name or id`)
}
