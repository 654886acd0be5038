import assert from "node:assert/strict"
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { after, test, type TestContext } from "node:test"
import { openContainerProcess } from "../../../src/copy/process.ts"
import { procRoute } from "../../../src/copy/routes/proc.ts"
import { RouteUnsuitable } from "../../../src/copy/route.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import type { Engine } from "../../../src/docker/engine.ts"
import { purserError } from "../../files/support.ts"
import { shellImage } from "../../support/base-image.ts"
import { cleanUp, docker, startContainer, tmpfsVolume } from "../../support/docker.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"
import { copyTo, file, namesIn, openEngine, taskFor } from "../support.ts"
import type { ContainerDetails } from "../../../src/docker/container-details.ts"

/** Tests that the route `proc` uses the container's own process, and notices its end. */

after(cleanUp)

const { signal } = new AbortController()
const idle = ["sleep", "600"]
const goneOrOther = purserError("ERR_NOT_RUNNING", /has stopped or was restarted meanwhile/)

/** An engine that reports the given details of the container. */
function saying(engine: Engine, container: () => ContainerDetails): Engine {
  return {
    ...engine,
    address: engine.address,
    isLocal: true,
    apiVersion: engine.apiVersion,
    request: (call) => engine.request(call),
    upgrade: (call) => engine.upgrade(call),
    async json<T>(call: Parameters<Engine["json"]>[0]) {
      const found = await engine.json<{ State: Record<string, unknown> }>(call)
      const { pid, startedAt } = container().state
      return { ...found, State: { ...found.State, Pid: pid, StartedAt: startedAt } } as T
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

async function startSleep(t: TestContext, ...command: string[]): Promise<ChildProcess & { pid: number }> {
  const [program = "sleep", ...args] = command.length > 0 ? command : ["sleep", "600"]
  const child = spawn(program, args, { stdio: "ignore" })
  await once(child, "spawn")
  t.after(() => child.kill("SIGKILL"))
  return child as ChildProcess & { pid: number }
}

/** Starts processes until one gets this number. */
async function startAs(t: TestContext, pid: number): Promise<void> {
  await waitFor("the number to be given again", async () => {
    // Other processes on this machine take numbers too, and may be faster.
    await writeFile("/proc/sys/kernel/ns_last_pid", String(pid - 1))
    const child = await startSleep(t)
    if (child.pid === pid) return true
    child.kill("SIGKILL")
    return false
  })
}

test("a reused process number is not taken for the container's", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  const container = await inspectContainer(engine, id, signal)
  await using held = await openContainerProcess(engine, container, signal)
  const root = await held.openRoot()
  await root.close()
  await held.checkAlive()
  await docker(["kill", id])
  await startAs(t, container.state.pid)
  assert.match(await readFile(`/proc/${container.state.pid}/cmdline`, "utf8"), /^sleep/)
  await assert.rejects(held.openRoot(), goneOrOther)
  await assert.rejects(held.checkAlive(), goneOrOther)
  await assert.rejects(held.ids(), goneOrOther)
  await assert.rejects(held.confirm(signal), goneOrOther)
  // Nor if the engine has not noticed yet.
  const late = saying(engine, () => container)
  const task = await taskFor(late, id, [file("/run/secrets/a", "one")], { container })
  assert.match((await procRoute.whyNot(task)) ?? "", /process \d+ of this machine is not the container's/)
  await assert.rejects(
    procRoute.copy(task),
    (error) => error instanceof RouteUnsuitable || goneOrOther(error),
  )
})

test("a container that was restarted since it was inspected is not written to", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets", "--stop-signal=KILL"])
  const other = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  const before = await inspectContainer(engine, id, signal)
  const files = [file("/run/secrets/a", "one")]
  await docker(["restart", id])
  await assert.rejects(copyTo(engine, id, files, { container: before }), goneOrOther)
  const now = await inspectContainer(engine, id, signal)
  const lookAlike = { ...now, state: { ...now.state, startedAt: before.state.startedAt } }
  await assert.rejects(copyTo(engine, id, files, { container: lookAlike }), goneOrOther)
  const { state } = await inspectContainer(engine, other, signal)
  const confused = { ...now, state: { ...now.state, pid: state.pid } }
  await assert.rejects(copyTo(engine, id, files, { container: confused }), goneOrOther)
  // An engine that is itself out of date.
  const wrong = saying(engine, () => confused)
  await assert.rejects(copyTo(wrong, id, files, { container: confused }), RouteUnsuitable)
  for (const container of [now, await inspectContainer(engine, other, signal)])
    assert.deepEqual(await namesIn(container, "/run/secrets"), [])
  await docker(["kill", id])
  await assert.rejects(copyTo(engine, id, files), goneOrOther)
})

test("a restart during a write is detected, and nothing of ours is left", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const volume = await tmpfsVolume("kept")
  const id = await startContainer(t, await shellImage(), idle, [
    "--tmpfs=/run/secrets",
    `--volume=${volume}:/kept`,
    "--stop-signal=KILL",
  ])
  // A second container uses the volume, so that its content outlives the restart.
  await startContainer(t, await shellImage(), idle, [`--volume=${volume}:/kept`])
  const files = [file("/run/secrets/a", "one"), file("/kept/b", "two")]
  for (const command of ["restart", "kill"]) {
    const beforeChange = async () => void (await docker([command, id]))
    await assert.rejects(copyTo(engine, id, files, { beforeChange }), goneOrOther, command)
    if (command === "kill") await docker(["start", id])
    const container = await inspectContainer(engine, id, signal)
    assert.deepEqual(await namesIn(container, "/run/secrets"), [])
    assert.deepEqual(await namesIn(container, "/kept"), [])
  }
  await t.test("and a cancelled write leaves nothing either", async () => {
    const stop = new AbortController()
    const task = copyTo(engine, id, files, {
      signal: stop.signal,
      beforeChange: () => Promise.reject(new Error("changed my mind")),
    })
    await assert.rejects(task, /changed my mind/)
    stop.abort(new Error("stopped"))
    await assert.rejects(copyTo(engine, id, files, { signal: stop.signal }))
    const container = await inspectContainer(engine, id, signal)
    assert.deepEqual(await namesIn(container, "/run/secrets"), [])
    assert.deepEqual(await namesIn(container, "/kept"), [])
  })
  assert.deepEqual((await copyTo(engine, id, files)).written, ["/run/secrets/a", "/kept/b"])
})

test("no descriptor stays open, also after errors", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, ["--tmpfs=/run/secrets"])
  const deep = [file("/run/secrets/a/b/c", "one"), file("/run/secrets/d", "two")]
  const descriptors = async () => (await readdir("/proc/self/fd")).length
  await copyTo(engine, id, deep)
  const before = await descriptors()
  for (let round = 0; round < 3; round++) {
    await copyTo(engine, id, [file("/run/secrets/a/b/c", `${round}`)])
    await assert.rejects(copyTo(engine, id, [...deep, file("/etc/x", "")]), purserError("ERR_DISK", /etc/))
    await assert.rejects(copyTo(engine, id, [...deep, file("/etc/passwd/x/y", "")]))
  }
  assert.equal(await descriptors(), before)
})
