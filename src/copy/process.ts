import { constants } from "node:fs"
import { PurserError, isPurserError, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { inspectContainer } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { open, type FileHandle } from "../files/system-calls.ts"
import { descriptorPath } from "./container-root.ts"
import { RouteUnsuitable } from "./route.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/**
 * Holds a container's first process so that no other can be mistaken for it. A descriptor of `/proc/PID` stops working
 * when its process ends, even if the number is reused. `/proc/PID/root` leads to the container's files.
 */

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY

export interface ContainerProcess extends AsyncDisposable {
  /** Opens the process's current root directory; the caller closes it. Throws `ERR_NOT_RUNNING`. */
  openRoot(): Promise<FileHandle>
  /** Returns the user and group that the process runs as now. */
  ids(): Promise<{ uid: number; gid: number }>
  /** Throws `ERR_NOT_RUNNING` if the process has ended. Asks only the kernel. */
  checkAlive(): Promise<void>
  /** Throws `ERR_NOT_RUNNING` unless the engine confirms that the container still runs with this process. */
  confirm(signal: AbortSignal): Promise<void>
}

/**
 * Opens the process that the engine names, and proves that it belongs to the container. Throws `ERR_NOT_RUNNING` if it
 * has ended, and {@link RouteUnsuitable} if we may not look into it or it has its own user namespace.
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
      return await callProcess(container, () => open(`${descriptorPath(handle)}/root`, directoryFlags))
    },
    async ids() {
      const status = await callProcess(container, () => readWhole(`${descriptorPath(handle)}/status`))
      const [uid, gid] = ["Uid", "Gid"].map((key) =>
        // The fields are real, effective, saved and file system id (proc_pid_status(5)).
        Number(new RegExp(`^${key}:\\s+\\d+\\s+(\\d+)`, "m").exec(status)?.[1]),
      )
      return { uid: uid ?? NaN, gid: gid ?? NaN }
    },
    async checkAlive() {
      await callProcess(container, () => readWhole(`${descriptorPath(handle)}/cgroup`))
    },
    async confirm(signal) {
      const now = await inspectContainer(engine, container.id, signal)
      if (!now.state.running || now.state.pid !== pid || now.state.startedAt !== container.state.startedAt)
        throw endedError(container)
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
  try {
    const why = await callProcess(container, () => whyNotOurs(descriptorPath(handle), container))
    // The engine is asked after the open, because only that proves that the number was still this container's.
    await held.confirm(signal)
    if (why !== null) throw new RouteUnsuitable(why)
    // Opened once for a test, while another route can still be taken.
    await (await held.openRoot()).close()
    return held
  } catch (error) {
    await handle.close()
    throw isPurserError(error, "ERR_ROUTE") ? new RouteUnsuitable(error.message, { cause: error }) : error
  }
}

/** Returns why the process that the engine names cannot be written to, or null if it may work. Asks only the kernel. */
export async function whyNoProcess(container: ContainerDetails): Promise<string | null> {
  try {
    return await whyNotOurs(`/proc/${container.state.pid}`, container)
  } catch (error) {
    return `its process ${container.state.pid} cannot be inspected (${systemErrorCode(error) ?? "unknown"})`
  }
}

async function openProcess(container: ContainerDetails): Promise<FileHandle> {
  const { pid, running } = container.state
  // 0 is not a process, and /proc has entries other than processes.
  if (!running || !Number.isSafeInteger(pid) || pid <= 0) throw endedError(container)
  return await callProcess(container, () => open(`/proc/${pid}`, directoryFlags))
}

async function whyNotOurs(directory: string, { id, state }: ContainerDetails): Promise<string | null> {
  // Both cgroup versions have the full id in the path: /docker/ID, /system.slice/docker-ID.scope.
  if (!(await readWhole(`${directory}/cgroup`)).includes(id))
    return `process ${state.pid} of this machine is not the container's: the engine is on another machine, or Purser itself runs in a container`
  for (const map of ["uid_map", "gid_map"]) {
    // In another user namespace the container's root is another user here, and creating files in its tmpfs fails
    // (EOVERFLOW).
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

async function callProcess<T>(container: ContainerDetails, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const code = systemErrorCode(error)
    // ENOENT: the process is gone, or has ended and was not yet reaped by its parent.
    if (code === "ESRCH" || code === "ENOENT") throw endedError(container, error)
    if (code === "EACCES" || code === "EPERM")
      throw new PurserError(
        "ERR_ROUTE",
        `no permission to look into the process of ${quote(container.name)}`,
        {
          cause: error,
        },
      )
    throw error
  }
}

function endedError({ name }: ContainerDetails, cause?: unknown): PurserError {
  return new PurserError(
    "ERR_NOT_RUNNING",
    `the container ${quote(name)} has stopped or was restarted meanwhile`,
    {
      hint: "deliver again when it runs",
      cause,
    },
  )
}
