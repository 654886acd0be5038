import assert from "node:assert/strict"
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { text } from "node:stream/consumers"
import { test, type TestContext } from "node:test"
import { docker } from "../support/docker.ts"
import { exited } from "../support/ended.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"

const script = resolve(import.meta.dirname, "../../scripts/fresh-engine.ts")

interface FreshEngine {
  readonly child: ChildProcess
  readonly stdout: Promise<string>
  /** Once the command runs. */
  readonly work: Promise<string>
}

/** A shell command on an engine of its own. It says first where that engine keeps everything. */
function start(t: TestContext, command: string, env: NodeJS.ProcessEnv = {}): FreshEngine {
  const child = spawn(process.execPath, [script, "sh", "-c", `dirname "$HOME"; ${command}`], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  })
  t.after(async () => {
    child.kill("SIGTERM")
    await exited(child)
  })
  const { promise: work, resolve: is } = Promise.withResolvers<string>()
  child.stdout.once("data", (first: Buffer) => is(first.toString().split("\n")[0] ?? ""))
  child.stderr.resume()
  return { child, stdout: text(child.stdout), work }
}

/** What would be left: the directory, its cgroups and the processes that name it. */
function leftOf(work: string): string[] {
  const name = work.slice(work.lastIndexOf("/") + 1)
  const processes = globSync("/proc/[0-9]*/cmdline").filter((file) => {
    try {
      return readFileSync(file, "latin1").includes(name)
    } catch {
      return false // it has ended
    }
  })
  return [work, ...globSync(`/sys/fs/cgroup/{,*/}${name}`), ...processes].filter((path) => existsSync(path))
}

test("the command finds an engine, a HOME and a /tmp that hold nothing, no other engine, and its exit code is ours", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "busybox"))) return
  const ours = await docker(["info", "--format={{.ID}}"])
  const look = `
    docker info --format '{{.ID}} {{.Containers}} {{.Images}} {{.DockerRootDir}}'
    docker network ls --format '{{.Name}}' | sort | tr '\\n' ' '; echo
    find /tmp /dev/shm "$HOME/" -mindepth 1 -maxdepth 1 ! -name .docker | tr '\\n' ' '; echo
    busybox ip link | grep -c '^[0-9]'
    ls /var/run/docker.sock && echo 'the other socket is there'
    tar --create --directory="$(dirname "$(command -v busybox)")" busybox |
      docker import --change 'CMD ["/busybox", "httpd", "-f"]' - one >&2
    docker run --detach --publish 80 one >&2
    exit 42`
  const outside = { TMPDIR: "/nonexistent", XDG_DATA_HOME: "/nonexistent", DOCKER_CONTEXT: "elsewhere" }
  const { child, stdout, work } = start(t, look, outside)
  assert.equal(await exited(child), 42)
  const at = await work
  const [, engine = "", networks, files, links, ...more] = (await stdout).split("\n")
  assert.match(engine, new RegExp(`^\\S+ 0 0 ${at}/data$`))
  assert.notEqual(engine.split(" ")[0], ours)
  assert.deepEqual([networks, links, more], ["bridge host none ", "2", [""]])
  // A repository below /tmp is still there.
  const others = files?.split(" ").filter((path) => path !== "" && !`${script}/`.startsWith(`${path}/`))
  assert.deepEqual(others, [])
  // Its container ran to the very end.
  assert.deepEqual(leftOf(at), [])
})

test("a signal ends all of it at once and leaves nothing", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { child, work } = start(t, "sleep 600 & sleep 600")
  const at = await work
  child.kill("SIGTERM")
  assert.equal(await exited(child), 143)
  assert.deepEqual(leftOf(at), [])
})

test("what is left by one that was killed outright, the next removes; one that runs it lets be", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const [killed, running] = [start(t, "sleep 600"), start(t, "sleep 600")]
  const [deadAt, liveAt] = await Promise.all([killed.work, running.work])
  killed.child.kill("SIGKILL")
  await exited(killed.child)
  await waitFor("the end of the engine's processes", () =>
    leftOf(deadAt).every((path) => !path.startsWith("/proc")),
  )
  assert.ok(existsSync(join(deadAt, "data")), "nobody was there to remove it")
  const next = start(t, "true")
  assert.equal(await exited(next.child), 0)
  assert.deepEqual(leftOf(deadAt), [])
  assert.ok(existsSync(join(liveAt, "data")))
})
