import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import type { TestContext } from "node:test"
import { purser } from "../cli/purser.ts"
import { imageWith, nodeImage } from "../support/base-image.ts"
import { docker, dockerOutput, inspect, labels } from "../support/docker.ts"
import { filesUnder, type Place } from "../support/leaks.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"

/** What the tests on the engine share: our own image, an agent on this machine, and what an onlooker sees. */

export const root = resolve(import.meta.dirname, "../..")

/** The one-file receiver. */
export const receiver = join(root, "dist/purser-node.mjs")

let built: Promise<string> | undefined

/** Purser's image, built from deploy/Dockerfile as it is, on a base of the tests' own. Resolves with its tag. */
export function purserImage(): Promise<string> {
  built ??= (async () => {
    const tag = `purser-test/purser:${process.pid}`
    const dockerfile = ["--file", join(root, "deploy/Dockerfile"), "--build-arg", `BASE=${await nodeImage()}`]
    await docker(["build", "--quiet", ...dockerfile, ...labels, "--tag", tag, root])
    return tag
  })()
  return built
}

/**
 * Stands in for a database's image: refuses to start without its password file, and listens on no port. It
 * prints a digest of the password and never the password; on SIGHUP it reads it again.
 */
export async function databaseImage(): Promise<string> {
  const program = `#!/usr/local/bin/node
    const { readFileSync } = require("node:fs")
    const { createHash } = require("node:crypto")
    const file = process.env.POSTGRES_PASSWORD_FILE ?? "/run/secrets/db-password"
    if (process.argv[2] !== undefined) process.exit(64)
    const read = (what) => console.log(what, createHash("sha256").update(readFileSync(file)).digest("hex"))
    try { read("started with") } catch (error) { console.error("refusing to start:", error.code, file); process.exit(1) }
    process.on("SIGTERM", () => process.exit(0)).on("SIGHUP", () => read("reloaded with"))
    setInterval(() => {}, 1 << 30)
  `
  const files = { "usr/local/bin/database": program }
  return await imageWith(await nodeImage(), "database", files, [
    "USER 999:999",
    'ENTRYPOINT ["/usr/local/bin/database"]',
  ])
}

export interface Home {
  readonly state: string
  /** Runs `purser ARGS…` here to a good end and resolves with stdout. */
  purser(args: readonly string[], input?: string): Promise<string>
  /** One round of the agent: its JSON lines and exit code. */
  round(...flags: string[]): Promise<{ code: number | null; lines: readonly Record<string, unknown>[] }>
}

/** An agent's home on this machine. */
export async function home(t: TestContext): Promise<Home> {
  const state = join(await tempDir(t), "state")
  const env = { PURSER_STATE: state }
  return {
    state,
    async purser(args, input = "") {
      const { code, stdout, stderr } = await purser(args, { env, input, cwd: resolve(state, "..") })
      if (code !== 0) throw new Error(`purser ${args.join(" ")} ended with ${code}: ${stderr}`)
      return stdout
    },
    async round(...flags) {
      const { code, stdout } = await purser(["agent", ...flags, "--once", "--json"], { env })
      const lines = stdout.split("\n").filter((line) => line !== "")
      return { code, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
    },
  }
}

/** stdout and stderr of a container together. */
export async function logs(container: string): Promise<string> {
  const { stdout, stderr } = await dockerOutput(["logs", container])
  return stdout + stderr
}

/** Resolves with the logs once they match; fails with what they say instead. */
export async function logged(container: string, pattern: RegExp): Promise<string> {
  let text = ""
  const probe = async (): Promise<boolean> => pattern.test((text = await logs(container)))
  await waitFor(`${pattern} in the logs of ${container}`, probe, { timeoutMs: 30_000, everyMs: 100 })
  return text
}

/** The container's own address on its (first) network. */
export async function addressOf(container: string): Promise<string> {
  const networks = await docker([
    "inspect",
    "--format={{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}",
    container,
  ])
  return networks.trim().split(" ")[0] ?? ""
}

/** Resolves with its exit code. */
export async function waitForExit(container: string): Promise<number> {
  return Number(await docker(["wait", container]))
}

interface Inspected {
  readonly Id: string
  readonly Image: string
  readonly GraphDriver: { readonly Data: Readonly<Record<string, string>> | null }
  readonly Mounts: readonly { readonly Name?: string; readonly Type: string }[]
}

/**
 * What others can see of these containers: inspect, logs, events since `since`, what they changed, their
 * images' histories, and, where the engine is on this machine and we are root, its files about them.
 */
export async function onlookersView(containers: readonly string[], since: number): Promise<Place[]> {
  const places: Place[] = []
  for (const container of containers) {
    const details = await inspect<Inspected>(container)
    places.push(
      { name: `inspect ${container}`, content: JSON.stringify(details) },
      { name: `logs ${container}`, content: await logs(container) },
      { name: `diff ${container}`, content: await docker(["diff", container]) },
      {
        name: `image of ${container}`,
        content: await docker(["image", "inspect", details.Image]),
      },
      {
        name: `history of ${container}`,
        content: await docker(["image", "history", "--no-trunc", details.Image]),
      },
      ...(await engineFiles(details)),
    )
  }
  const until = Math.ceil(Date.now() / 1000)
  const span = ["--since", String(Math.floor(since / 1000)), "--until", String(until)]
  places.push({ name: "events", content: await docker(["events", ...span, "--format={{json .}}"]) })
  return places
}

/** The container's writable layer, configuration and log, its image's top layer, and its volumes that are on the disk. */
async function engineFiles({ Id, Image, GraphDriver, Mounts }: Inspected): Promise<Place[]> {
  const data = await docker(["info", "--format={{.DockerRootDir}}"])
  if (process.getuid?.() !== 0 || !existsSync(join(data, "containers", Id))) return []
  const image = await inspect<Inspected>(Image)
  const layers = [GraphDriver, image.GraphDriver].flatMap(({ Data }) => Data?.["UpperDir"] ?? [])
  const inMemory = await tmpfsMounts()
  const volumes = Mounts.flatMap(({ Name, Type }) =>
    Type === "volume" && Name !== undefined ? [join(data, "volumes", Name, "_data")] : [],
  ).filter((path) => !inMemory.has(path))
  const places = [join(data, "containers", Id), ...layers, ...volumes].map((path) => filesUnder(path))
  return (await Promise.all(places)).flat()
}

export async function tmpfsMounts(): Promise<Set<string>> {
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" "))
  return new Set(mounts.filter(([, , type]) => type === "tmpfs").map(([, path = ""]) => path))
}

/** Names in a directory of a container; empty where it cannot be looked into. */
export async function namesIn(container: string, directory: string): Promise<string[]> {
  const list = await docker(["exec", container, "ls", "-A", directory])
  return list === "" ? [] : list.split("\n")
}
