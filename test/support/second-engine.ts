import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { docker, dockerOutput } from "./docker.ts"
import { alsoTell, quoted } from "./situation.ts"
import { tempDir } from "./temp.ts"
import { waitFor } from "./wait.ts"

/** An engine beside the usual one, for what the usual one is not: with user namespaces, of another version. */

export interface SecondEngineOptions {
  /** Lines of shell that run in the engine's namespaces before it starts; `$1` is a directory of its own. */
  readonly prepare: string
  /** Environment of `prepare`. */
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
}

export interface SecondEngine {
  /** `unix:///…` */
  readonly host: string
  /** Holds all that it writes, 0711. */
  readonly directory: string
  readonly pid: number
  /** `docker ARGS…` on this engine. */
  docker(...args: readonly string[]): Promise<string>
  /** Brings an image of the usual engine here. */
  load(image: string): Promise<void>
  /** Starts a container without a network (there is no bridge) and resolves with its id. */
  start(image: string, command: readonly string[], options?: readonly string[]): Promise<string>
  /** Also done after the test. */
  stop(): Promise<void>
}

/**
 * The network namespace is not for tidiness: started with --bridge=none, an engine deletes docker0, which is the
 * usual engine's. Nor may it meet the system's containerd, or leave its shims' sockets in /run.
 */
const script = `
for directory in /run/containerd /run/docker; do
  [ ! -d $directory ] || mount -t tmpfs tmpfs $directory || exit
done
shift
exec dockerd "$@"`

/** Throws with what the engine said last where it does not start. Needs root, Linux and dockerd. */
export async function startSecondEngine(
  t: TestContext,
  { prepare, env = {}, flags = [] }: SecondEngineOptions,
): Promise<SecondEngine> {
  // One hook for all: hooks run in the order of their making, and the directory has to go last.
  const directory = await mkdtemp(join(tmpdir(), "purser-test-"))
  const at = (name: string): string => join(directory, name)
  // A remapped root has to get through.
  await chmod(directory, 0o711)
  const host = `unix://${at("socket")}`
  const dockerd = [
    `--data-root=${at("data")}`,
    `--exec-root=${at("exec")}`,
    `--host=${host}`,
    `--pidfile=${at("pid")}`,
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--storage-driver=vfs",
    "--log-level=error",
    ...flags,
  ]
  // It ends with us, however we end.
  const inNamespaces = ["--pdeathsig=TERM", "unshare", "--mount", "--net", "--propagation=private"]
  const child = spawn(
    "setpriv",
    [...inNamespaces, "sh", "-c", `exec 2>"$1/log"\n${prepare}\n${script}`, "sh", directory, ...dockerd],
    { stdio: "ignore", env: { ...process.env, ...env } },
  )
  // Resolves too where setpriv itself is missing.
  const ended = once(child, "exit").catch(() => {})
  const there = { env: { DOCKER_HOST: host } }
  const call = (...args: readonly string[]): Promise<string> => docker(args, there)
  const clear = async (): Promise<void> => {
    const ids = await call("ps", "--all", "--quiet").catch(() => "")
    if (ids !== "") await call("rm", "--force", "--volumes", ...ids.split("\n"))
    child.kill("SIGTERM")
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  let cleared: Promise<void> | undefined
  const stop = (): Promise<void> => (cleared ??= clear())
  t.after(stop)

  let isOver = false
  const answers = (): Promise<boolean> =>
    call("version").then(
      () => true,
      () => isOver,
    )
  void ended.then(() => (isOver = true))
  const log = (): Promise<string> => readFile(at("log"), "utf8").catch(() => "")
  alsoTell(async () => ["the second engine", ...quoted(await log())])
  await waitFor("the second engine", answers, { everyMs: 100 })
  if (isOver) {
    const said = (await log()).trim().split("\n")
    throw new Error(`the second engine does not start: ${said.slice(-3).join("; ")}`)
  }

  return {
    host,
    directory,
    pid: child.pid ?? 0,
    docker: call,
    async load(image) {
      const archive = join(await tempDir(t), "image.tar")
      await docker(["save", "--output", archive, image])
      await dockerOutput(["load", "--input", archive], there)
    },
    start: (image, command, options = []) =>
      call("run", "--detach", "--network=none", ...options, image, ...command),
    stop,
  }
}
