import { readFileSync } from "node:fs"
import { lstat, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { findLeaks, type Place } from "./leaks.ts"

/**
 * Markers of a whole test run, and where they may not lie: on the engine's disk. scripts/test.ts says where in
 * the environment; a test file that runs alone, without root, or with an engine elsewhere sweeps nothing here.
 */

/** File of the run's markers, which `createMarker` writes. */
export const markersFileVariable = "PURSER_TEST_MARKERS"
/** The engine's data directory on this machine. */
export const engineDataVariable = "PURSER_TEST_ENGINE_DATA"

/** What is larger is a program of a base image, or an archive of one. */
const longestBytes = 64 * 1024 * 1024
/** Mounts of running containers; what is written there lies in `diff` beside it. */
const mounted = /\/overlay2\/[^/]+\/merged$/

/** `"PLACE: marker 2 as text, of TEST FILE"`, once for each place and marker. */
export function findMarkersOfRun(places: readonly Place[]): string[] {
  const found = new Map<string, string>()
  for (const [file, markers] of markersOfRun())
    for (const finding of findLeaks(markers, places)) {
      const [placeAndMarker = finding] = finding.split(" as ")
      const key = `${placeAndMarker} ${file}`
      if (!found.has(key)) found.set(key, `${finding}, of ${file}`)
    }
  return [...found.values()]
}

function markersOfRun(): Map<string, string[]> {
  const path = process.env[markersFileVariable]
  const byFile = new Map<string, string[]>()
  if (path === undefined) return byFile
  for (const line of readFileSync(path, "utf8").split("\n").slice(0, -1)) {
    const [marker = "", file = ""] = line.split("\t")
    byFile.set(file, [...(byFile.get(file) ?? []), marker])
  }
  return byFile
}

/**
 * Fails where a marker lies in what the engine keeps of the container: configuration, logs, writable layer,
 * volumes on the disk. Called before its removal, since little is left to look at afterwards.
 */
export async function assertContainerIsClean(id: string): Promise<void> {
  const data = process.env[engineDataVariable]
  if (data === undefined) return
  const home = join(data, "containers", id)
  const config = await readFile(join(home, "config.v2.json"), "utf8").catch(() => null)
  if (config === null) return // gone already, or not of this engine
  const { MountPoints } = JSON.parse(config) as {
    MountPoints: Record<string, { Type: string; Name: string }> | null
  }
  const layer = await readFile(join(data, "image/overlay2/layerdb/mounts", id, "mount-id"), "utf8").catch(
    () => null,
  )
  const volumes = Object.values(MountPoints ?? {})
    .filter(({ Type }) => Type === "volume")
    .map(({ Name }) => join(data, "volumes", Name, "_data"))
  const roots = [home, ...(layer === null ? [] : [join(data, "overlay2", layer, "diff")]), ...volumes]
  const found = findMarkersOfRun(await filesSince(roots, 0))
  if (found.length > 0) throw new Error(`secrets lie on the engine's disk:\n${found.join("\n")}`)
}

/** What changed below the directories (or is itself such a file) after `sinceMs`, and names, without what is in memory. Others may remove some meanwhile. */
export async function filesSince(
  roots: readonly string[],
  sinceMs: number,
  except: ReadonlySet<string> = new Set(),
): Promise<Place[]> {
  const inMemory = await memoryMounts()
  const places: Place[] = []
  const waiting = roots.filter((root) => !inMemory.has(root))
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => null)
    if (entries === null) {
      const content = await contentSince(directory, sinceMs)
      if (content !== null) places.push({ name: directory, content })
      continue
    }
    if (entries.length === 0) continue
    places.push({ name: `names in ${directory}`, content: entries.map(({ name }) => name).join("\n") })
    for (const entry of entries) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) {
        if (!inMemory.has(path) && !mounted.test(path) && !except.has(path)) waiting.push(path)
      } else if (entry.isFile()) {
        const content = await contentSince(path, sinceMs)
        if (content !== null) places.push({ name: path, content })
      }
    }
  }
  return places
}

/** By the inode's own time, which no archive can set back. */
async function contentSince(path: string, sinceMs: number): Promise<Buffer | null> {
  try {
    const found = await lstat(path)
    const { ctimeMs, size } = found
    return !found.isFile() || ctimeMs < sinceMs || size > longestBytes ? null : await readFile(path)
  } catch {
    return null
  }
}

async function memoryMounts(): Promise<Set<string>> {
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" "))
  return new Set(mounts.filter(([, , type]) => type === "tmpfs").map(([, path = ""]) => path))
}
