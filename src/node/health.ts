import { lstat, readFile, readlink, rm } from "node:fs/promises"
import { replaceFile } from "../base/atomic-file.ts"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

/**
 * The status file in which a node or an agent keeps its health, because the
 * command that reads it (`purser health`, a container's HEALTHCHECK) is another
 * process.
 */

export interface HealthStatus {
  /** Absolute paths that must be in place, or null while they are not known because no delivery was complete yet. */
  readonly required: readonly string[] | null
  /** The process that wrote it. Undefined when its files stay in use after its end, or where there is no /proc. */
  readonly process?: ProcessMark | undefined
}

/** Identifies a process until the machine's next start. A `pid` alone may have been reused by another process. */
interface ProcessMark {
  readonly pid: number
  /** The start time, in clock ticks after the machine's start (proc_pid_stat(5)). */
  readonly started: string
  /** The PID namespace, because process ids of another container's namespace differ (pid_namespaces(7)). */
  readonly namespace: string
}

/** The mark of a process, this one by default; undefined when it has ended, or where there is no /proc. */
export async function processMark(pid: number | "self" = "self"): Promise<ProcessMark | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1")
    // The command's name is in parentheses, and may itself hold parentheses and spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    // A zombie has ended.
    if (fields[0] === "Z") return undefined
    return {
      pid: Number.parseInt(stat, 10),
      started: fields[19] ?? "",
      namespace: await readlink("/proc/self/ns/pid"),
    }
  } catch {
    return undefined
  }
}

/** Replaces the status file. Throws `ERR_STATE`. */
export async function writeHealth(file: string, status: HealthStatus): Promise<void> {
  await replaceFile(file, Buffer.from(`${JSON.stringify(status)}\n`), { mode: 0o644 }).catch(noStatus(file))
}

/** Removes the status file at a clean end, so that a stopped process does not count as healthy. Throws `ERR_STATE`. */
export async function removeHealth(file: string): Promise<void> {
  await rm(file, { force: true }).catch(noStatus(file))
}

function noStatus(file: string): (error: unknown) => never {
  return (error) => {
    throw new PurserError("ERR_STATE", `cannot write the status file ${file}: ${reasonOf(error)}`, {
      cause: error,
      hint: "give another file with --status",
    })
  }
}

/** Resolves when the required files are in place and the writer still runs. Throws `ERR_UNHEALTHY`, which says what is missing. */
export async function checkHealth(file: string): Promise<void> {
  const { required, process: writer } = await readHealth(file)
  if (writer !== undefined && (await hasEnded(writer)))
    throw new PurserError("ERR_UNHEALTHY", `process ${writer.pid}, which wrote ${file}, has ended`)
  if (required === null) throw new PurserError("ERR_UNHEALTHY", "no delivery was complete yet")
  const missing = await missingFiles(required)
  if (missing.length > 0) throw new PurserError("ERR_UNHEALTHY", `not in place: ${missing.join(", ")}`)
}

async function hasEnded({ pid, started, namespace }: ProcessMark): Promise<boolean> {
  const own = await processMark()
  if (own === undefined || own.namespace !== namespace) return false
  return (await processMark(pid))?.started !== started
}

/** The paths at which there is no regular file. */
export async function missingFiles(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map(isFile))
  return paths.filter((_, index) => found[index] !== true)
}

async function readHealth(file: string): Promise<HealthStatus> {
  try {
    const status: unknown = JSON.parse(await readFile(file, "utf8"))
    if (isHealthStatus(status)) return status
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") {
      throw new PurserError("ERR_UNHEALTHY", `no status file ${file}`, {
        hint: "is a node or an agent running with the same --status, PURSER_STATUS or --state?",
      })
    }
    throw new PurserError("ERR_UNHEALTHY", `cannot read ${file}: ${reasonOf(error)}`, { cause: error })
  }
  throw new PurserError("ERR_UNHEALTHY", `${file} is not a status file`)
}

function isHealthStatus(value: unknown): value is HealthStatus {
  if (typeof value !== "object" || value === null || !("required" in value)) return false
  const { required } = value
  if ("process" in value && (typeof value.process !== "object" || value.process === null)) return false
  return required === null || (Array.isArray(required) && required.every((path) => typeof path === "string"))
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile()
  } catch {
    return false
  }
}
