import { constants } from "node:fs"
import { PurserError, isPurserError, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { inspectContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { open, type FileHandle } from "../files/system-calls.ts"
import { through } from "./container-root.ts"
import { RouteUnsuitable } from "./route.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/**
 * A container's first process, held so that nothing else can be taken for it: a descriptor on `/proc/PID` is dead
 * when its process is, also after the number has been given to another. `/proc/PID/root` is the way into its files.
 */

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY

export interface ContainerProcess extends AsyncDisposable {
  /** Its root directory, opened now: the caller closes it. Throws `ERR_NOT_RUNNING`. */
  openRoot(): Promise<FileHandle>
  /** User and group that it runs as now. */
  ids(): Promise<{ uid: number; gid: number }>
  /** Throws `ERR_NOT_RUNNING` when it has ended. Asks the kernel only. */
  checkAlive(): Promise<void>
  /** Throws `ERR_NOT_RUNNING` unless the engine says that the container still runs by this very process. */
  confirm(signal: AbortSignal): Promise<void>
}

/**
 * Holds the process that the engine names, once it is proven to be the container's. Throws `ERR_NOT_RUNNING` where
 * it has ended, and {@link RouteUnsuitable} where it is not ours to look into or not like our own.
 */
export async function openContainerProcess(
  engine: Engine,
  container: ContainerDetails,
  signal: AbortSignal,
): Promise<ContainerProcess> {
  const { pid } = container.state
  const handle = await openProcess(container)
  const held: ContainerProcess = {
    async openRoot() {
      return await alive(container, () => open(`${through(handle)}/root`, directoryFlags))
    },
    async ids() {
      const status = await alive(container, () => readWhole(`${through(handle)}/status`))
      const [uid, gid] = ["Uid", "Gid"].map((key) =>
        // Real, effective, saved and that of the file system (proc_pid_status(5)).
        Number(new RegExp(`^${key}:\\s+\\d+\\s+(\\d+)`, "m").exec(status)?.[1]),
      )
      return { uid: uid ?? NaN, gid: gid ?? NaN }
    },
    async checkAlive() {
      await alive(container, () => readWhole(`${through(handle)}/cgroup`))
    },
    async confirm(signal) {
      const now = await inspectContainer(engine, container.id, signal)
      if (!now.state.running || now.state.pid !== pid || now.state.startedAt !== container.state.startedAt)
        throw ended(container)
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
  try {
    const why = await alive(container, () => whyNotOurs(through(handle), container))
    // Only what the engine says afterwards proves that the number was still this container's when we opened it.
    await held.confirm(signal)
    if (why !== null) throw new RouteUnsuitable(why)
    // Tried once, while another route can still be taken.
    await (await held.openRoot()).close()
    return held
  } catch (error) {
    await handle.close()
    throw isPurserError(error, "ERR_ROUTE") ? new RouteUnsuitable(error.message, { cause: error }) : error
  }
}

/** Why the process that the engine names is not one that we can write for; null when it may be. Asks the kernel only. */
export async function whyNoProcess(container: ContainerDetails): Promise<string | null> {
  try {
    return await whyNotOurs(`/proc/${container.state.pid}`, container)
  } catch (error) {
    return `its process ${container.state.pid} cannot be looked into (${systemErrorCode(error) ?? "unknown"})`
  }
}

async function openProcess(container: ContainerDetails): Promise<FileHandle> {
  const { pid, running } = container.state
  // 0 would be nobody, and /proc itself has other things than processes.
  if (!running || !Number.isSafeInteger(pid) || pid <= 0) throw ended(container)
  return await alive(container, () => open(`/proc/${pid}`, directoryFlags))
}

async function whyNotOurs(directory: string, { id, state }: ContainerDetails): Promise<string | null> {
  // Both versions of cgroups have the whole id in the path: /docker/ID, /system.slice/docker-ID.scope.
  if (!(await readWhole(`${directory}/cgroup`)).includes(id))
    return `process ${state.pid} of this machine is not the container's: its engine is elsewhere, or we are in a container ourselves`
  for (const map of ["uid_map", "gid_map"]) {
    // Its root is somebody else here, and in its memory we could make nothing (EOVERFLOW).
    if (!/^\s*0\s+0\s+4294967295\s*$/.test(await readWhole(`${directory}/${map}`)))
      return "it has a user namespace of its own"
  }
  return null
}

async function readWhole(path: string): Promise<string> {
  const handle = await open(path, constants.O_RDONLY)
  try {
    return await handle.readFile("utf8")
  } finally {
    await handle.close()
  }
}

async function alive<T>(container: ContainerDetails, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const code = systemErrorCode(error)
    // ENOENT is a process that is gone, or one that has ended and whose parent does not know yet.
    if (code === "ESRCH" || code === "ENOENT") throw ended(container, error)
    if (code === "EACCES" || code === "EPERM")
      throw new PurserError("ERR_ROUTE", `we may not look into the process of ${quote(container.name)}`, {
        cause: error,
      })
    throw error
  }
}

function ended({ name }: ContainerDetails, cause?: unknown): PurserError {
  return new PurserError(
    "ERR_NOT_RUNNING",
    `the container ${quote(name)} has stopped or was restarted meanwhile`,
    {
      hint: "deliver again when it runs",
      cause,
    },
  )
}
