import { PurserError, isPurserError } from "../base/errors.ts"
import { containerPath } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { statusOf } from "../docker/refusal.ts"
import { inspectVolume } from "../docker/volumes.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/**
 * Tells whether the engine's archive calls are safe for a path. They see layers and volumes but no --tmpfs mount: a PUT
 * below such a mount writes to the layer on disk underneath it, and a GET reads it back from there, as if it had
 * worked.
 */

/** The mount's path in the container, or why the path is not known to lie on a tmpfs volume. */
export type MemoryMount =
  | { readonly destination: string; readonly why?: never }
  | { readonly destination?: never; readonly why: string }

/** Returns a lookup that asks the engine about each volume once. */
export function memoryMountsOf(
  engine: Engine,
  { mounts, tmpfs }: ContainerDetails,
  signal: AbortSignal,
): (path: string) => Promise<MemoryMount> {
  const volumes = new Map<string, Promise<string | null>>()
  const all = [
    ...mounts.map((mount) => ({ destination: withoutExtraSlashes(mount.destination), mount })),
    ...Object.keys(tmpfs).map((destination) => ({
      destination: withoutExtraSlashes(destination),
      mount: undefined,
    })),
  ]
  return async (path) => {
    // The container sees the deepest mount. Paths are compared as text; links are checked when writing.
    const covering = all.filter(
      ({ destination }) => path === destination || path.startsWith(`${destination}/`),
    )
    const deepest = Math.max(...covering.map(({ destination }) => destination.length))
    const found = covering.filter(({ destination }) => destination.length === deepest)
    const [only] = found
    if (only === undefined) return { why: `${path} lies in the container's own layer` }
    const { destination, mount } = only
    if (found.length > 1) return { why: `more than one thing is mounted at ${destination}` }
    if (mount === undefined || mount.type === "tmpfs")
      return { why: `${destination} is a --tmpfs mount, which the engine's archive calls do not see` }
    if (mount.type !== "volume" || mount.name === undefined)
      return { why: `${destination} is a mount of type ${mount.type}, not a volume` }
    if (destination === path) return { why: `${path} is a mount point itself` }
    if (!mount.readWrite) return { why: `${destination} is mounted read-only` }
    const why = volumes.get(mount.name) ?? whyNotMemory(engine, mount.name, signal)
    volumes.set(mount.name, why)
    const text = await why
    return text === null ? { destination } : { why: `the volume at ${destination} ${text}` }
  }
}

async function whyNotMemory(engine: Engine, name: string, signal: AbortSignal): Promise<string | null> {
  const volume = await inspectVolume(engine, name, signal).catch((error: unknown) => {
    if (isPurserError(error, "ERR_DOCKER") && statusOf(error) === 404) return null
    throw error
  })
  if (volume === null) return "no longer exists"
  if (volume.driver !== "local") return "does not use the driver local"
  return volume.options["type"] === "tmpfs" ? null : "is not a tmpfs"
}

/**
 * Returns the missing directories between the mount and the file, relative to the mount, the outermost first. Throws
 * `ERR_TARGET` if one of the directories is a link, because it could lead out of the mount.
 */
export async function missingBelow(
  engine: Engine,
  id: string,
  { destination, path }: { destination: string; path: string },
  signal: AbortSignal,
): Promise<string[]> {
  const steps = path
    .slice(destination.length + 1)
    .split("/")
    .slice(0, -1)
  for (const [index] of steps.entries()) {
    const directory = `${destination}/${steps.slice(0, index + 1).join("/")}`
    const kind = await kindOf(engine, id, directory, signal)
    if (kind === "directory") continue
    if (kind === "none") return steps.map((_, at) => steps.slice(0, at + 1).join("/")).slice(index)
    throw new PurserError(
      "ERR_TARGET",
      `cannot write ${path}: ${directory} is ${kind === "link" ? "a symbolic link" : "not a directory"}`,
      { hint: "use the path that the link leads to, or remove the link" },
    )
  }
  return []
}

/** Returns the kind of a path in the container's layers and volumes; links are not followed. */
export async function kindOf(
  engine: Engine,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<"none" | "file" | "link" | "directory" | "other"> {
  const response = await engine
    .request({ method: "HEAD", path: `${containerPath(id)}/archive`, query: { path }, signal })
    .catch((error: unknown) => {
      if (statusOf(error) === 404) return null
      throw error
    })
  if (response === null) return "none"
  response.body.destroy()
  const header = String(response.headers["x-docker-container-path-stat"] ?? "")
  const mode = modeIn(Buffer.from(header, "base64").toString("utf8"))
  // The bits of Go's os.FileMode, which do not fit into 32 signed bits.
  const has = (bit: number): boolean => Math.floor(mode / 2 ** bit) % 2 === 1
  if (has(31)) return "directory"
  if (has(27)) return "link"
  return [26, 25, 24, 21, 19].some(has) ? "other" : "file"
}

function modeIn(text: string): number {
  try {
    const { mode } = JSON.parse(text) as { mode?: unknown }
    if (typeof mode === "number" && Number.isSafeInteger(mode) && mode >= 0) return mode
  } catch {
    // Falls through to the error below.
  }
  throw new PurserError("ERR_DOCKER", "the engine's answer does not give the kind of a path in the container")
}

function withoutExtraSlashes(path: string): string {
  return path.replace(/\/+/g, "/").replace(/\/$/, "")
}
