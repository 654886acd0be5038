import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { docker, inspect } from "../test/support/docker.ts"
import {
  engineDataVariable,
  filesSince,
  findMarkersOfRun,
  markersFileVariable,
} from "../test/support/engine-sweep.ts"

/** Around a whole test run: no marker of any test may be in what the engine has written or said meanwhile. */
export interface Sweep extends AsyncDisposable {
  /** Before what the tests forgot is removed. Resolves with findings for people; empty without root or an engine here. */
  findings(): Promise<readonly string[]>
}

/** Tells the tests, by our own environment, that they are to write their markers down. */
export async function startSweep(): Promise<Sweep> {
  const sinceMs = Date.now()
  const data = await engineData()
  if (data === null) return { findings: async () => [], [Symbol.asyncDispose]: async () => {} }
  const directory = await mkdtemp(join(tmpdir(), "purser-run-"))
  const file = join(directory, "markers")
  await writeFile(file, "", { mode: 0o600 })
  process.env[markersFileVariable] = file
  process.env[engineDataVariable] = data

  // All along, since the engine remembers the last 256 only.
  const events = spawn("docker", ["events", "--format={{json .}}"], { stdio: ["ignore", "pipe", "ignore"] })
  const ended = once(events, "close").catch(() => {})
  const said = text(events.stdout)
  return {
    async findings() {
      events.kill()
      await ended
      const engine = await filesSince([data], sinceMs, await layersOfBaseImages())
      const here = await filesSince(ownPlaces(directory), sinceMs)
      return findMarkersOfRun([{ name: "docker events", content: await said }, ...engine, ...here])
    },
    async [Symbol.asyncDispose]() {
      events.kill()
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The engine's data directory. Null without an engine or root, or with an engine elsewhere. */
async function engineData(): Promise<string | null> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null
  const data = await docker(["info", "--format={{.DockerRootDir}}"], { timeoutMs: 20_000 }).catch(() => "")
  return data !== "" && existsSync(join(data, "containers")) ? data : null
}

/** Programs of this machine, which hold no secret and are large. */
async function layersOfBaseImages(): Promise<Set<string>> {
  const ids = await docker(["image", "ls", "--quiet", "--filter=label=purser.test.base"])
  const layers = new Set<string>()
  for (const id of new Set(ids.split("\n").filter((line) => line !== ""))) {
    const image = await inspect<{ RootFS: { Layers: string[] }; GraphDriver: Graph }>(id).catch(() => null)
    // Images made of a base have its label too, and layers of their own.
    const top = image?.RootFS.Layers.length === 1 ? image.GraphDriver.Data?.["UpperDir"] : undefined
    if (top !== undefined) layers.add(top)
  }
  return layers
}

interface Graph {
  readonly Data: Readonly<Record<string, string>> | null
}

/** The directories for temporary files of commands and tests. */
function ownPlaces(markers: string): string[] {
  const temporary = readdirSync(tmpdir())
    .filter((name) => /^(?:\.?purser|fluxvault)-/.test(name))
    .map((name) => join(tmpdir(), name))
  return [...temporary.filter((path) => path !== markers), "/run/purser", "/dev/shm/purser"]
}
