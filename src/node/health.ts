import { lstat, readFile, rm } from "node:fs/promises"
import { replaceFile } from "../base/atomic-file.ts"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"

/**
 * A node or an agent tells its health by a small file, since the command that
 * asks (`purser health`, a container's HEALTHCHECK) is another process.
 */

export interface HealthStatus {
  /** Absolute paths that must be in place, or null while that is not known: no delivery was complete yet. */
  readonly required: readonly string[] | null
}

export async function writeHealth(file: string, status: HealthStatus): Promise<void> {
  await replaceFile(file, Buffer.from(`${JSON.stringify(status)}\n`), { mode: 0o644 })
}

/** To be called at a clean end, so that a stopped process is not taken for a healthy one. */
export async function removeHealth(file: string): Promise<void> {
  await rm(file, { force: true })
}

/** Throws `ERR_UNHEALTHY`, which says what is missing. */
export async function checkHealth(file: string): Promise<void> {
  const { required } = await readHealth(file)
  if (required === null) throw new PurserError("ERR_UNHEALTHY", "no delivery was complete yet")
  const missing = await missingFiles(required)
  if (missing.length > 0) throw new PurserError("ERR_UNHEALTHY", `not in place: ${missing.join(", ")}`)
}

/** Those of the paths at which there is no regular file. */
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
      throw new PurserError("ERR_UNHEALTHY", `no status at ${file}`, {
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
  return required === null || (Array.isArray(required) && required.every((path) => typeof path === "string"))
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile()
  } catch {
    return false
  }
}
