import { posix } from "node:path"
import { PurserError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { quote } from "../base/names.ts"
import { TimeLimit } from "../base/time-limit.ts"
import { inspectContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { openReadBack } from "./read-back.ts"
import { RouteUnsuitable, type Copied, type FileToCopy, type Route, type RouteTask } from "./route.ts"
import { routes as allRoutes, type RouteName } from "./routes.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/**
 * Copies files into a running container: chooses the route, and reports only files that were read back in the
 * container. If a route fails, no other route is tried, because the failed one may have changed something. Another is
 * tried only where a route proves unsuitable before it has changed anything.
 */

export interface CopyOptions {
  /** Default: `auto`, the cheapest suitable route. A route object is for routes with options, such as `pullRoute`'s. */
  readonly route?: RouteName | "auto" | Route
  /** Whether to throw `ERR_DISK` for a file that would lie on a disk. */
  readonly requireTmpfs: boolean
  readonly log: Log
  readonly signal: AbortSignal
  /** Time limit for the whole set; default 30 s. */
  readonly timeoutMs?: number
  /** Called once, after all files are staged and verified and before the first rename; not if no content changes. */
  readonly beforeChange?: () => Promise<void>
}

export interface CopyResult extends Copied {
  readonly route: string
  /** One readable line: the route's way, and why others were not used. */
  readonly why: string
  /** Routes that were considered earlier, each with the reason against it. */
  readonly skipped: readonly SkippedRoute[]
}

export interface SkippedRoute {
  readonly route: string
  readonly why: string
}

const defaultMs = 30_000
const ownerPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/

/**
 * Copies a set of files: all of them or, as far as the container allows, none. Throws `ERR_NOT_RUNNING`,
 * `ERR_CONTAINER_PAUSED`, `ERR_ROUTE` (its hint gives the reason against each route), `ERR_DISK`, `ERR_TARGET`,
 * `ERR_NOT_VERIFIED`, `ERR_TIMEOUT`, and the errors of the engine's calls.
 */
export async function copyInto(
  engine: Engine,
  container: ContainerDetails,
  files: readonly FileToCopy[],
  options: CopyOptions,
  routes: readonly Route[] = allRoutes,
): Promise<CopyResult> {
  checkFiles(files)
  checkState(container)
  const { route = "auto", requireTmpfs, log, timeoutMs = defaultMs } = options
  using limit = new TimeLimit(options.signal, timeoutMs)
  const query = { engine, container, files, signal: limit.signal }
  const task: RouteTask = {
    ...query,
    requireTmpfs,
    log,
    beforeChange: options.beforeChange ?? (async () => {}),
    openReadBack: (owners) => openReadBack(query, owners, routes),
  }
  try {
    return await copyByFirstSuitable(selectRoutes(route, routes), task)
  } catch (error) {
    if (!limit.isOver || options.signal.aborted) throw error
    throw await timeoutError(task, timeoutMs, error)
  }
}

function selectRoutes(wanted: NonNullable<CopyOptions["route"]>, routes: readonly Route[]): readonly Route[] {
  if (typeof wanted === "object") return [wanted]
  return routes.filter(({ name, isAutomatic }) => (wanted === "auto" ? isAutomatic : name === wanted))
}

async function copyByFirstSuitable(routes: readonly Route[], task: RouteTask): Promise<CopyResult> {
  const skipped: (SkippedRoute & Pick<Route, "startsProcess">)[] = []
  const skip = ({ name, startsProcess }: Route, why: string) =>
    skipped.push({ route: name, why, startsProcess })
  for (const route of routes) {
    task.signal.throwIfAborted()
    const whyNot = whyPaused(route, task) ?? (await route.whyNot(task))
    if (whyNot !== null) {
      skip(route, whyNot)
      continue
    }
    try {
      const copied = await route.copy(task)
      const tried = skipped.map(({ route: name, why }) => ({ route: name, why }))
      return { ...copied, route: route.name, why: reasonFor(route, copied, tried), skipped: tried }
    } catch (error) {
      if (!(error instanceof RouteUnsuitable)) throw error
      skip(route, error.message)
    }
  }
  throw noRouteError(task.container, skipped)
}

function whyPaused({ startsProcess }: Route, { container }: RouteTask): string | null {
  return startsProcess && container.state.paused ? "it is paused, so that nothing can be started in it" : null
}

function reasonFor({ name, way }: Route, { why }: Copied, skipped: readonly SkippedRoute[]): string {
  const against = skipped.length === 0 ? "" : ` (${listOf(skipped)})`
  return `${name}: ${why ?? way}${against}`
}

function listOf(skipped: readonly SkippedRoute[]): string {
  return skipped.map(({ route, why }) => `not ${route}: ${why}`).join("; ")
}

function noRouteError(
  { name, state }: ContainerDetails,
  skipped: readonly (SkippedRoute & Pick<Route, "startsProcess">)[],
): PurserError {
  const hint = listOf(skipped)
  if (state.paused && skipped.some(({ startsProcess }) => startsProcess))
    return new PurserError("ERR_CONTAINER_PAUSED", `the container ${quote(name)} is paused`, {
      hint: `docker unpause resumes it (${hint})`,
    })
  const [only] = skipped
  if (skipped.length === 1 && only !== undefined)
    return new PurserError("ERR_ROUTE", `route ${only.route} cannot work for ${quote(name)}: ${only.why}`, {
      hint: "use --route auto to try the other routes",
    })
  return new PurserError("ERR_ROUTE", `no route into the container ${quote(name)} can work`, { hint })
}

function checkState({ name, state }: ContainerDetails): void {
  // Between two runs of a restart loop a container counts as running, but has no process.
  if (state.running && state.pid > 0) return
  throw new PurserError("ERR_NOT_RUNNING", `the container ${quote(name)} is not running (${state.status})`, {
    hint: "start it first: a stopped container loses what it has in memory",
  })
}

function checkFiles(files: readonly FileToCopy[]): void {
  const seen = new Set<string>()
  for (const { path, mode, owner } of files) {
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) throw new TypeError(`${mode} is not a mode`)
    const steps = path.split("/")
    if (
      !path.startsWith("/") ||
      path.endsWith("/") ||
      path.includes("\0") ||
      steps.some((step) => step === "." || step === "..")
    )
      throw new PurserError("ERR_TARGET", `${quote(path)} is not an absolute path of a file`, {
        hint: "give the full path, without . and .. and without a slash at its end",
      })
    if (owner !== undefined && !ownerPattern.test(owner))
      throw new PurserError("ERR_TARGET", `the owner ${quote(owner)} is not USER or USER:GROUP`)
    const plain = posix.normalize(path)
    if (seen.has(plain))
      throw new PurserError("ERR_TARGET", `${quote(plain)} would be written twice`, {
        hint: "give each file a path of its own",
      })
    seen.add(plain)
  }
}

/**
 * Returns the error of a copy that exceeded its time limit. Most are due to a pause, so the engine is asked; its hint
 * then warns against another attempt.
 */
async function timeoutError(
  { engine, container }: RouteTask,
  timeoutMs: number,
  cause: unknown,
): Promise<PurserError> {
  const now = await inspectContainer(engine, container.id, AbortSignal.timeout(2000)).catch(() => null)
  const message = `copying into the container ${quote(container.name)} took longer than ${timeoutMs} ms`
  return new PurserError(
    "ERR_TIMEOUT",
    now?.state.paused === true ? `${message}: it was paused meanwhile` : message,
    {
      cause,
      hint:
        now?.state.paused === true
          ? "run docker unpause and check the container before you copy again, because further commands in it would hang too"
          : "run docker ps to see whether the container is paused, and docker stats to see whether it is busy",
    },
  )
}
