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

/** The route by a shell in the container, when something comes between. */

after(cleanUp)

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=64k"
const copyTo = copyBy("exec")
const idle = ["sleep", "600"]

/** Whose directory for secrets holds an old file. */
async function start(
  t: TestContext,
): Promise<{ engine: Engine; id: string; names: () => Promise<string[]> }> {
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, [secrets])
  await copyTo(engine, id, [file("/run/secrets/a", "old")])
  const container = await inspectContainer(engine, id, signal)
  return { engine, id, names: () => namesIn(container, "/run/secrets").catch(whileChanging) }
}

/** A directory may go while it is looked into. */
function whileChanging(error: unknown): string[] {
  if (systemErrorCode(error) === "ENOENT") return ["changing"]
  throw error
}

test("neither the content nor its digest nor the path stands in what the engine keeps of the exec", async (t) => {
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

test("a paused container is said to be paused, and nothing is started in it", async (t) => {
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

test("a pause in the middle ends at the time limit, which says so, and no temporary file outlives it", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, names } = await start(t)
  const beforeChange = async () => void (await docker(["pause", id]))
  const copying = copyTo(engine, id, [file("/run/secrets/a", "new")], { beforeChange, timeoutMs: 2000 })
  await assert.rejects(copying, (error: unknown) => {
    assert.ok(purserError("ERR_TIMEOUT", /took longer than 2000 ms: it was paused meanwhile/)(error))
    assert.match(error.hint ?? "", /docker unpause it/)
    return true
  })
  await docker(["unpause", id])
  await waitFor("the shell to end", async () => (await names()).join() === "a")
})

test("a container that stops, restarts or goes in the middle is not taken for served", async (t) => {
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

test("a copier that dies half-way installs nothing and leaves nothing", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const { engine, id, names } = await start(t)
  const whole = Buffer.alloc(20_000, "x")
  const digest = new Secret(whole).digest.slice("sha256:".length)
  const orders = `look 1 ${whole.length} ${digest} /run/secrets/sub/b`
  const put = "put 1 377 - 0:0 no .purser-0123456789abcdef.tmp"
  await t.test("its connection being cut", async () => {
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
  await t.test("its input ending as if that were all", async () => {
    const session = new ExecSession(await taskFor(engine, id, []), undefined)
    session.send(orders)
    session.send(put, whole.subarray(0, 10_000))
    await session[Symbol.asyncDispose]()
    assert.deepEqual(await names(), ["a"])
  })
  await t.test("other content of the same length being sent", async () => {
    await using session = new ExecSession(await taskFor(engine, id, []), undefined)
    session.send(orders)
    session.send(put, Buffer.alloc(20_000, "y"))
    await session.answer()
    await session.answer()
    assert.deepEqual(await session.answer(), ["no", "digest", "1"])
    await session.complaint()
    assert.deepEqual(await names(), ["a"])
  })
  await t.test("being interrupted before the change", async () => {
    const controller = new AbortController()
    const beforeChange = async () => controller.abort()
    const extra = { signal: controller.signal, beforeChange }
    await assert.rejects(copyTo(engine, id, [file("/run/secrets/a", "new")], extra), { name: "AbortError" })
    await waitFor("the shell to end", async () => (await names()).join() === "a")
  })
  await t.test("and what fails before the change changes nothing", async () => {
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
