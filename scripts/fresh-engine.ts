/**
 * Runs a command on a machine that looks new: with a Docker Engine that has no image, network or volume and whose
 * bridge was never there, an empty HOME, /tmp, /run and /dev/shm, and no network but its own. All of it stands in
 * namespaces that end with the command, however that ends; an engine that already runs here is not touched.
 *
 *   node scripts/fresh-engine.ts COMMAND…     exit code: the command's, 1 where the engine does not start
 *
 * Needs Linux, root and dockerd, which `scripts/provision.sh dockerd` brings.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, symlink } from "node:fs/promises"
import { homedir } from "node:os"
import { basename, delimiter, dirname, join, resolve } from "node:path"
import { isPurserError } from "../src/base/errors.ts"
import { acquireLock } from "../src/base/lock.ts"

const root = resolve(import.meta.dirname, "..")
/** On a disk, and short, because sockets lie below it. */
const place = "/var/tmp"
const prefix = "purser-engine-"
const lockName = "lock"
/** The directories that get a memory file system inside, and that the engine would otherwise create. */
const mountPoints = ["/etc/docker", "/opt/containerd"]
/** Variables that would lead the command out of the new machine, or carry something into it. */
const fromOutside = /^(?:XDG_|DOCKER_|TMPDIR$|NODE_COMPILE_CACHE$|npm_config_)/

/** Resolves with the command's exit code, 128 and more for a signal that ended all. Throws where this machine cannot do it. */
export async function runOnFreshEngine(command: readonly string[]): Promise<number> {
  check()
  await removeStale()
  const missing = mountPoints.filter((path) => !existsSync(path))
  const unnamed = await mkdtemp(join(place, ".purser-engine-"))
  const work = join(place, `${prefix}${unnamed.slice(-6)}`)
  using _ = acquireLock(join(unnamed, lockName), unnamed)
  // By its name it is known to others, and by then it is locked.
  await rename(unnamed, work)
  try {
    await chmod(work, 0o711) // containers with user namespaces reach their layers through it
    for (const directory of ["data", "exec", "home/.docker", "run", "tmp"])
      await mkdir(join(work, directory), { recursive: true })
    await chmod(join(work, "tmp"), 0o1777)
    // Programs, not state: somebody's own Compose is one.
    const plugins = join(homedir(), ".docker/cli-plugins")
    if (existsSync(plugins)) await symlink(plugins, join(work, "home/.docker/cli-plugins"))
    await mkdir(join(root, ".cache"), { recursive: true })
    return await inNamespaces(work, command)
  } finally {
    await remove(work)
    for (const path of missing) await rmdir(path).catch(() => {})
  }
}

function check(): void {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    throw new Error("an engine of its own needs Linux and root")
  try {
    execFileSync(
      "sh",
      ["-c", "command -v dockerd docker setpriv && unshare --mount --net --pid --fork true"],
      {
        stdio: ["ignore", "ignore", "pipe"],
      },
    )
  } catch (error) {
    throw new Error("an engine of its own needs dockerd (scripts/provision.sh dockerd) and namespaces", {
      cause: error,
    })
  }
}

async function inNamespaces(work: string, command: readonly string[]): Promise<number> {
  const unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--propagation=private"]
  const child = spawn(
    "setpriv",
    // Whatever ends us ends it, and with it its process 1 and all of its processes.
    [
      "--pdeathsig=KILL",
      ...unshare,
      "--kill-child=KILL",
      "sh",
      join(import.meta.dirname, "fresh-engine.sh"),
      ...command,
    ],
    { stdio: "inherit", env: environment(work) },
  )
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>
  const stop = (): void => endAll(child.pid)
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
  for (const signal of signals) process.on(signal, stop)
  try {
    const [code] = await ended
    return code ?? 137
  } finally {
    for (const signal of signals) process.off(signal, stop)
  }
}

/** Ends process 1 of the namespaces, the only child. `unshare` ends after it, and so after the kernel has ended all of them. */
function endAll(parent: number | undefined): void {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue
    try {
      const [, ppid] = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? []
      if (Number(ppid) === parent) process.kill(Number(pid), "SIGTERM")
    } catch {
      // It has ended meanwhile.
    }
  }
}

function environment(work: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !fromOutside.test(name))
  const path = (process.env["PATH"] ?? "").split(delimiter)
  return {
    ...Object.fromEntries(own),
    HOME: join(work, "home"),
    DOCKER_HOST: `unix://${work}/docker.sock`,
    WORK: work,
    ROOT: root,
    LOG: join(root, ".cache/fresh-engine.log"),
    KEEP: [root, dirname(dirname(process.execPath)), ...path].filter((one) => existsSync(one)).join("\n"),
  }
}

/** The leftovers of killed runs. Process ids do not identify them, because they differ between namespaces. */
async function removeStale(): Promise<void> {
  for (const name of await readdir(place)) {
    const work = join(place, name)
    if (!name.startsWith(prefix) || !existsSync(join(work, lockName))) continue
    try {
      using _ = acquireLock(join(work, lockName), work)
      await remove(work)
    } catch (error) {
      if (!isPurserError(error, "ERR_LOCKED")) throw error
    }
  }
}

/** Nothing is mounted there any more once the namespaces are gone. */
async function remove(work: string): Promise<void> {
  await removeCgroups(basename(work))
  await rm(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}

/** In every hierarchy; an empty one is removed as a directory. */
async function removeCgroups(name: string): Promise<void> {
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" "))
  for (const [, path = "", type] of mounts) {
    if (type !== "cgroup" && type !== "cgroup2") continue
    const top = join(path, name)
    const inner = await readdir(top, { recursive: true, withFileTypes: true }).catch(() => [])
    const directories = inner.filter((one) => one.isDirectory()).map((one) => join(one.parentPath, one.name))
    for (const directory of [top, ...directories].sort((a, b) => b.length - a.length))
      await rmdir(directory).catch(() => {})
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    if (process.argv.length < 3) throw new Error("which command? node scripts/fresh-engine.ts COMMAND…")
    process.exitCode = await runOnFreshEngine(process.argv.slice(2))
  } catch (error) {
    console.error(`fresh-engine: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
