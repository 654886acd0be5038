import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import type { TestContext } from "node:test"
import { assertContainerIsClean } from "./engine-sweep.ts"
import { alsoTell, quoted, waitingFor } from "./situation.ts"

/**
 * The docker command for tests. Everything is made with the labels of `labels`, and removed by them after
 * the test file, or after the run where a test file was killed.
 */

const wholeRun = process.env["PURSER_TEST_RUN"] ?? `alone-${randomBytes(3).toString("hex")}`

/** This test file's own name on the engine; also good as a prefix for names and Compose projects. */
export const run = `purser-test-${wholeRun}-${process.pid}`

/** `--label …` for `docker run`, `volume create`, `network create`, `build`. */
export const labels: readonly string[] = [`--label=purser.test=${run}`, `--label=purser.test.run=${wholeRun}`]

/** The same for a Compose file's `labels:`. */
export const labelsAsObject: Readonly<Record<string, string>> = {
  "purser.test": run,
  "purser.test.run": wholeRun,
}

export class DockerError extends Error {
  override readonly name = "DockerError"
  readonly args: readonly string[]
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string

  constructor(args: readonly string[], exitCode: number | null, stdout: string, stderr: string) {
    super(`docker ${args.join(" ")} ended with ${exitCode ?? "a signal"}: ${(stderr || stdout).trim()}`)
    this.args = args
    this.exitCode = exitCode
    this.stdout = stdout
    this.stderr = stderr
  }
}

interface DockerOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly timeoutMs?: number
  readonly input?: string | Uint8Array
}

/** Runs `docker ARGS…`, resolves with stdout without its last line break; throws DockerError. */
export async function docker(args: readonly string[], options: DockerOptions = {}): Promise<string> {
  const { stdout } = await dockerOutput(args, options)
  return stdout.replace(/\n$/, "")
}

/** The same, with stdout and stderr as they are. */
export async function dockerOutput(
  args: readonly string[],
  options: DockerOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  alsoTell(tellContainers)
  return await waitingFor(`docker ${args.join(" ")}`, runDocker(args, options))
}

async function runDocker(
  args: readonly string[],
  { env = {}, cwd, timeoutMs = 120_000, input }: DockerOptions,
): Promise<{ stdout: string; stderr: string }> {
  const signal = AbortSignal.timeout(timeoutMs)
  // The older builder: the newer one needs a plugin that is not everywhere, and our images have no RUN.
  const environment = { ...process.env, DOCKER_BUILDKIT: "0", COMPOSE_BAKE: "false", ...env }
  const child = spawn("docker", args, { cwd, env: environment, signal, stdio: ["pipe", "pipe", "pipe"] })
  const [stdout, stderr]: [string[], string[]] = [[], []]
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text))
  child.stdin.on("error", () => {}) // it may end without reading
  child.stdin.end(input)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on("error", reject).on("close", resolve)
  const code = await promise.catch((error: unknown) => {
    if (!signal.aborted) throw error
    const said = [...quoted(stdout.join("")), ...quoted(stderr.join(""))].join("\n")
    throw new Error(`docker ${args.join(" ")} did not end within ${timeoutMs} ms\n${said}`, { cause: error })
  })
  if (code !== 0) throw new DockerError(args, code, stdout.join(""), stderr.join(""))
  return { stdout: stdout.join(""), stderr: stderr.join("") }
}

/** The containers of this test file with their last lines, by label, and by name those that Compose made. */
async function tellContainers(): Promise<string[]> {
  const limit = { timeoutMs: 10_000 }
  const list = (filter: string) =>
    runDocker(
      ["ps", "--all", `--filter=${filter}`, "--format={{.ID}} {{.Names}} ({{.Image}}): {{.Status}}"],
      limit,
    )
  const lines: string[] = []
  try {
    const lists = await Promise.all([`label=purser.test=${run}`, `name=${run}`].map(list))
    const containers = new Set(lists.flatMap(({ stdout }) => stdout.split("\n")).filter(Boolean))
    for (const container of containers) {
      const { stdout, stderr } = await runDocker(["logs", "--tail=20", container.split(" ")[0] ?? ""], limit)
      lines.push(`container ${container}`, ...quoted(stdout), ...quoted(stderr))
    }
  } catch (error) {
    lines.push(
      `the engine does not tell of containers: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  return lines
}

/** Starts a container and resolves with its full id. After the test it is swept for markers and removed. */
export async function startContainer(
  t: TestContext,
  image: string,
  command: readonly string[] = [],
  options: readonly string[] = [],
): Promise<string> {
  const id = await docker(["run", "--detach", ...labels, ...options, image, ...command])
  t.after(async () => {
    try {
      await assertContainerIsClean(id)
    } finally {
      await docker(["rm", "--force", "--volumes", id])
    }
  })
  return id
}

/** `docker inspect` of a container, image, volume or network, of which `T` is what the test reads. */
export async function inspect<T>(what: string): Promise<T> {
  return (JSON.parse(await docker(["inspect", what])) as T[])[0] as T
}

/** A tmpfs volume. `options` as mount takes them, `uid=999,mode=0700`. Removed by cleanUp, when nothing uses it. */
export async function tmpfsVolume(name: string, options = "size=8m"): Promise<string> {
  const full = `${run}-${name}`
  const mount = ["--opt=type=tmpfs", "--opt=device=tmpfs", `--opt=o=${options}`]
  return docker(["volume", "create", ...labels, ...mount, full])
}

export async function network(name: string, options: readonly string[] = []): Promise<string> {
  const full = `${run}-${name}`
  await docker(["network", "create", ...labels, ...options, full])
  return full
}

/** `docker compose` with a project name of this test file's; `down` follows after the test. `withInput` feeds stdin, `id` is the project's name. */
export function compose(t: TestContext, file: string, project: string, options: DockerOptions = {}) {
  const id = `${run}-${project}`
  const named = ["compose", "--project-name", id]
  const fixed = [...named, "--file", file]
  // By its name alone: the file may be gone before us.
  t.after(() => docker([...named, "down", "--volumes", "--remove-orphans", "--timeout=5"]))
  const withInput = (input: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    dockerOutput([...fixed, ...args], { ...options, input })
  const call = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    dockerOutput([...fixed, ...args], options)
  return Object.assign(call, { withInput, id })
}

/** `after(cleanUp)` in a test file: removes what the file made and forgot. Without an engine there is nothing. */
export async function cleanUp(): Promise<void> {
  if (await engineAnswers()) await remove(`purser.test=${run}`, run)
}

/** Removes what a whole run of scripts/test.ts left, of test files that were killed for instance. */
export async function removeEverythingOf(runName: string): Promise<void> {
  if (await engineAnswers()) await remove(`purser.test.run=${runName}`, `purser-test-${runName}`)
}

async function engineAnswers(): Promise<boolean> {
  try {
    await docker(["version"], { timeoutMs: 20_000 })
    return true
  } catch {
    return false
  }
}

/** By label, and by name what Compose made and named after the project without a label of ours. */
async function remove(label: string, prefix: string): Promise<void> {
  const byLabel = ["--filter", `label=${label}`]
  const byName = ["--filter", `name=${prefix}`]
  const kinds: [list: string[], filters: string[][], remove: string[]][] = [
    [
      ["ps", "--all", "--quiet", "--no-trunc"],
      [byLabel, byName],
      ["rm", "--force", "--volumes"],
    ],
    [
      ["network", "ls", "--quiet", "--no-trunc"],
      [byLabel, byName],
      ["network", "rm"],
    ],
    [
      ["volume", "ls", "--quiet"],
      [byLabel, byName],
      ["volume", "rm", "--force"],
    ],
    [
      ["image", "ls", "--quiet", "--no-trunc"],
      [byLabel, ["--filter", `reference=${prefix}*`]],
      ["image", "rm", "--force"],
    ],
  ]
  for (const [list, filters, removal] of kinds) {
    const lists = await Promise.all(filters.map((filter) => docker([...list, ...filter])))
    const found = new Set(lists.flatMap((ids) => ids.split("\n")).filter((id) => id !== ""))
    // One may be going already, with its container or by the test's own hand.
    if (found.size > 0) await docker([...removal, ...found]).catch(ignoreMissing)
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof DockerError) || !/no such|not found|already in progress/i.test(error.stderr))
    throw error
}
