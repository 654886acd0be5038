import { PurserError, isPurserError } from "../base/errors.ts"
import { containerPath } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { statusOf } from "../docker/refusal.ts"
import { inspectVolume } from "../docker/volumes.ts"
import type { ContainerDetails } from "../docker/container-details.ts"

/**
 * Whether the engine's archive calls may be let near a path. They see layers and volumes but no --tmpfs mount: there
 * a PUT leaves the content in the layer, on disk, below the mount; and a GET reads it there and "confirms" it.
 */

/** The mount point in the container, or why the path does not prove to lie on a tmpfs volume. */
export type MemoryMount =
  | { readonly destination: string; readonly why?: never }
  | { readonly destination?: never; readonly why: string }

/** Asks the engine about the volume, for each name once. */
export function memoryMountsOf(
  engine: Engine,
  { mounts, tmpfs }: ContainerDetails,
  signal: AbortSignal,
): (path: string) => Promise<MemoryMount> {
  const volumes = new Map<string, Promise<string | null>>()
  const all = [
    ...mounts.map((mount) => ({ destination: plain(mount.destination), mount })),
    ...Object.keys(tmpfs).map((destination) => ({ destination: plain(destination), mount: undefined })),
  ]
  return async (path) => {
    // The deepest is what the container sees there; by its name, for links are looked at when writing.
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
      return { why: `${destination} is a --tmpfs mount, which the engine's archive calls miss` }
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
  if (volume === null) return "is not there any more"
  if (volume.driver !== "local") return "is not of the driver local"
  return volume.options["type"] === "tmpfs" ? null : "is no tmpfs"
}

/** Throws `ERR_TARGET` for a directory on the way below the mount that is a link, which would lead out of it. */
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
      { hint: "name the directory that it leads to, or remove it" },
    )
  }
  return []
}

/** The kind of file at a path of the container's layers and volumes; a link is not followed. */
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
  // Bits of Go's os.FileMode, which do not fit into 32 signed ones.
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
    // Said below.
  }
  throw new PurserError("ERR_DOCKER", "the engine does not say what is at a path of the container")
}

function plain(path: string): string {
  return path.replace(/\/+/g, "/").replace(/\/$/, "")
}
