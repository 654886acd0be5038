import assert from "node:assert/strict"
import { after, test, type TestContext } from "node:test"
import { systemErrorCode } from "../../../src/base/errors.ts"
import { Secret } from "../../../src/base/secret.ts"
import { ExecSession } from "../../../src/copy/routes/exec/session.ts"
import { execRoute } from "../../../src/copy/routes/exec.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import type { Engine } from "../../../src/docker/engine.ts"
import { purserError } from "../../files/support.ts"
import { shellImage } from "../../support/base-image.ts"
import { cleanUp, docker, inspect, startContainer } from "../../support/docker.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"
import { copyBy, file, namesIn, openEngine, taskFor } from "../support.ts"

/** Tests the route by a shell in the container under injected faults. */

after(cleanUp)

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=64k"
const copyTo = copyBy("exec")
const idle = ["sleep", "600"]

/** Starts a container whose directory for secrets holds an old file. */
async function start(
  t: TestContext,
): Promise<{ engine: Engine; id: string; names: () => Promise<string[]> }> {
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, [secrets])
  await copyTo(engine, id, [file("/run/secrets/a", "old")])
  const container = await inspectContainer(engine, id, signal)
  return { engine, id, names: () => namesIn(container, "/run/secrets").catch(whileChanging) }
}

/** Stands for a listing during which a directory was removed. */
function whileChanging(error: unknown): string[] {
  if (systemErrorCode(error) === "ENOENT") return ["changing"]
  throw error
}

test("the engine's record of the exec holds neither the content nor its digest nor the path", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id } = await start(t)
  const marker = "marker-of-the-exec-test"
  const content = new Secret(marker)
  const [since] = [Math.floor(Date.now() / 1000) - 1]
  let details = ""
  const beforeChange = async () => {
    const { ExecIDs } = await inspect<{ ExecIDs: string[] }>(id)
    const { body } = await engine.request({ path: `/exec/${ExecIDs[0]}/json`, signal })
    for await (const part of body) details += String(part)
  }
  await copyTo(engine, id, [{ path: "/run/secrets/hidden-name", content, mode: 0o400 }], { beforeChange })
  const until = Math.ceil(Date.now() / 1000) + 1
  const events = await docker(["events", `--since=${since}`, `--until=${until}`, `--filter=container=${id}`])
  assert.match(events, /exec_create: sh -c/)
  assert.match(details, /"Running":true/)
  for (const text of [events, details])
    for (const hidden of [marker, content.digest.slice("sha256:".length), "hidden-name"])
      assert.ok(!text.includes(hidden), hidden)
})

test("a paused container is reported as paused, and nothing is started in it", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, names } = await start(t)
  const stale = await taskFor(engine, id, [file("/run/secrets/a", "new")])
  await docker(["pause", id])
  try {
    await assert.rejects(copyTo(engine, id, stale.files), purserError("ERR_CONTAINER_PAUSED", /is paused/))
    await assert.rejects(execRoute.copy(stale), purserError("ERR_CONTAINER_PAUSED", /is paused/))
    assert.equal((await inspect<{ ExecIDs: string[] | null }>(id)).ExecIDs, null)
  } finally {
    await docker(["unpause", id])
  }
  assert.deepEqual(await names(), ["a"])
})

test("a pause during a copy ends at the time limit, which reports it, and no temporary file remains", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, names } = await start(t)
  const beforeChange = async () => void (await docker(["pause", id]))
  const copying = copyTo(engine, id, [file("/run/secrets/a", "new")], { beforeChange, timeoutMs: 2000 })
  await assert.rejects(copying, (error: unknown) => {
    assert.ok(purserError("ERR_TIMEOUT", /took longer than 2000 ms: it was paused meanwhile/)(error))
    assert.match(error.hint ?? "", /run docker unpause/)
    return true
  })
  await docker(["unpause", id])
  await waitFor("the shell to end", async () => (await names()).join() === "a")
})

test("a container that stops, restarts or is removed during a copy is not reported as served", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  for (const [command, ...more] of [["restart", "--time=0"], ["kill"], ["rm", "--force"]] as const) {
    const { engine, id } = await start(t)
    const stale = await taskFor(engine, id, [file("/run/secrets/a", "new")])
    const beforeChange = async () => void (await docker([command, ...more, id]))
    const code = command === "rm" ? "ERR_NO_SUCH_CONTAINER" : "ERR_NOT_RUNNING"
    await assert.rejects(execRoute.copy({ ...stale, beforeChange }), purserError(code, /./), command)
    if (command === "restart")
      assert.deepEqual(await namesIn(await inspectContainer(engine, id, signal), "/run/secrets"), [])
    else await assert.rejects(execRoute.copy(stale), purserError(code, /./), command)
  }
})

test("a copy that ends half-way installs nothing and leaves nothing", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, names } = await start(t)
  const whole = Buffer.alloc(20_000, "x")
  const digest = new Secret(whole).digest.slice("sha256:".length)
  const orders = `look 1 ${whole.length} ${digest} /run/secrets/sub/b`
  const put = "put 1 377 - 0:0 no .purser-0123456789abcdef.tmp"
  await t.test("when its connection is lost", async () => {
    const controller = new AbortController()
    const task = { ...(await taskFor(engine, id, [])), signal: controller.signal }
    const session = new ExecSession(task, undefined)
    session.send(orders)
    session.send(put, whole.subarray(0, 10_000))
    await waitFor("half a file", async () => (await names()).length === 3)
    controller.abort()
    await session[Symbol.asyncDispose]()
    await waitFor("the shell to end", async () => (await names()).join() === "a")
  })
  await t.test("when its input ends early", async () => {
    const session = new ExecSession(await taskFor(engine, id, []), undefined)
    session.send(orders)
    session.send(put, whole.subarray(0, 10_000))
    await session[Symbol.asyncDispose]()
    assert.deepEqual(await names(), ["a"])
  })
  await t.test("when other content of the same length is sent", async () => {
    await using session = new ExecSession(await taskFor(engine, id, []), undefined)
    session.send(orders)
    session.send(put, Buffer.alloc(20_000, "y"))
    await session.answer()
    await session.answer()
    assert.deepEqual(await session.answer(), ["no", "digest", "1"])
    await session.readStderr()
    assert.deepEqual(await names(), ["a"])
  })
  await t.test("when it is interrupted before the change", async () => {
    const controller = new AbortController()
    const beforeChange = async () => controller.abort()
    const extra = { signal: controller.signal, beforeChange }
    await assert.rejects(copyTo(engine, id, [file("/run/secrets/a", "new")], extra), { name: "AbortError" })
    await waitFor("the shell to end", async () => (await names()).join() === "a")
  })
  await t.test("when it fails before the change", async () => {
    const beforeChange = () => Promise.reject(new Error("not now"))
    const copying = copyTo(engine, id, [file("/run/secrets/a", "new")], { beforeChange })
    await assert.rejects(copying, /not now/)
    assert.deepEqual(await names(), ["a"])
  })
  assert.equal(await docker(["exec", id, "cat", "/run/secrets/a"]), "old")
})

test("many copies into one container at once all arrive", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, names } = await start(t)
  const paths = Array.from({ length: 12 }, (_, index) => `/run/secrets/${index}`)
  await Promise.all(paths.map((path) => copyTo(engine, id, [file(path, path)])))
  assert.deepEqual(await names(), ["a", ...paths.map((path) => path.slice("/run/secrets/".length))].sort())
  assert.equal(await docker(["exec", id, "cat", ...paths]), paths.join(""))
})
