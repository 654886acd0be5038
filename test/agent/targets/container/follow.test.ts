import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { startEngineProxy } from "../../../docker/support.ts"
import { cleanUp, docker } from "../../../support/docker.ts"
import { appConfig } from "../../../support/pair.ts"
import { requireService } from "../../../support/services.ts"
import { tempDir } from "../../../support/temp.ts"
import { waitFor } from "../../../support/wait.ts"
import { connect, countOf, deliveredTo, exists, hups, read, ready, stage } from "./support.ts"

/** An agent that runs, while containers come, go, restart and pause, and while the engine is away. */

after(cleanUp)

const secret = "/run/secrets/db-password"

test("a container that starts gets its secrets, again after a restart, and without a reload", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const early = await start()
  const opened = await agent()
  opened.run()
  await opened.event(deliveredTo(early, "ok"))
  const id = await start({ "purser.reload": "HUP" })
  await opened.event(deliveredTo(id, "ok"))
  assert.equal(await read(id, secret), "swordfish")
  await docker(["restart", "--time=0", id])
  await waitFor("the second delivery", () => countOf(opened, id) === 2)
  assert.equal(await read(id, secret), "swordfish")
  assert.equal(await hups(id), 0)
  assert.equal(countOf(opened, early), 1)
})

test("a secret that changes reaches running containers at once, and their programs are told", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const ids = await Promise.all(
    [1, 2, 3].map(async () => await ready(await start({ "purser.reload": "HUP" }))),
  )
  const opened = await agent()
  opened.run()
  await Promise.all(ids.map((id) => opened.event(deliveredTo(id, "ok"))))
  opened.catalogue.set("db-password", "two")
  for (const id of ids) {
    await waitFor("the signal", async () => (await hups(id)) === 1)
    assert.equal(await read(id, secret), "two")
  }
})

test("after the agent was away, what is missing is delivered, and what changed is reloaded", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const old = await ready(await start({ "purser.reload": "HUP" }))
  const first = await agent()
  const { stop } = first.run()
  await first.event(deliveredTo(old, "ok"))
  await stop()
  await first[Symbol.asyncDispose]()
  const fresh = await start({ "purser.reload": "HUP" })
  const second = await agent({}, { secrets: { "db-password": "two" } })
  second.run()
  await Promise.all([old, fresh].map((id) => second.event(deliveredTo(id, "ok"))))
  assert.equal(await read(old, secret), "two")
  assert.equal(await read(fresh, secret), "two")
  await waitFor("the signal", async () => (await hups(old)) === 1)
  assert.equal(await hups(fresh), 0)
})

test("a restart as reload happens once for each change, and its start brings the new content", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const id = await start({ "purser.reload": "restart" }, ["--stop-timeout=0"])
  const startedAt = (): Promise<string> => docker(["inspect", "--format={{.State.StartedAt}}", id])
  const opened = await agent()
  opened.run()
  await opened.event(deliveredTo(id, "ok"))
  const before = await startedAt()
  opened.catalogue.set("db-password", "two")
  await waitFor("its delivery and the one after its restart", () => countOf(opened, id) === 3)
  const between = await startedAt()
  assert.notEqual(between, before)
  assert.equal(await read(id, secret), "two")
  opened.agent.sourceChanged("all")
  await waitFor("a delivery with nothing new", () => countOf(opened, id) === 4)
  assert.equal(await startedAt(), between)
})

test("a paused container waits for its unpause where something must be started in it, or be told", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const id = await ready(await start({ "purser.reload": "HUP" }))
  const opened = await agent()
  opened.run()
  await opened.event(deliveredTo(id, "ok"))
  await docker(["pause", id])
  opened.catalogue.set("db-password", "two")
  const waiting = await opened.event(deliveredTo(id, "failed"))
  assert.equal(waiting.error?.code, "ERR_CONTAINER_PAUSED")
  await docker(["unpause", id])
  await waitFor("the signal", async () => (await hups(id)) === 1)
  assert.equal(await read(id, secret), "two")
  assert.equal(countOf(opened, id), 3, "nobody tried while it was paused")
})

test("through an engine on another machine a paused container gets its secrets when it goes on", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start } = await stage(t)
  const proxy = await startEngineProxy(t, { host: "127.0.0.1" })
  const id = await start()
  await docker(["pause", id])
  const opened = await agent({}, { plan: { connectEngine: connect(proxy.address) } })
  opened.run()
  const waiting = await opened.event(deliveredTo(id, "failed"))
  assert.equal(waiting.error?.code, "ERR_CONTAINER_PAUSED")
  await docker(["unpause", id])
  await opened.event(deliveredTo(id, "ok"))
  assert.equal(await read(id, secret), "swordfish")
  assert.equal(countOf(opened, id), 2)
})

test("a connection that is cut is warned of once; other targets go on, and nothing is missed", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, app, config } = await stage(t)
  const proxy = await startEngineProxy(t)
  const directory = join(await tempDir(t), "out")
  const before = await start()
  const opened = await agent(
    {},
    {
      apps: { [app]: config(), beside: appConfig("beside", { directory }) },
      plan: { connectEngine: connect(proxy.address) },
    },
  )
  opened.run()
  await opened.event(deliveredTo(before, "ok"))
  proxy.refuse(true)
  proxy.cut()
  await waitFor("the warning", () => /engine is away/.test(opened.text()))
  const meanwhile = await start()
  opened.catalogue.set("db-password", "two")
  await waitFor(
    "the directory",
    async () => (await readFile(join(directory, "db-password"), "utf8")) === "two",
  )
  assert.equal(await exists(meanwhile, secret), false)
  proxy.refuse(false)
  await opened.event(deliveredTo(meanwhile, "ok"))
  await waitFor("the new content", async () => (await read(before, secret)) === "two")
  assert.equal(await read(meanwhile, secret), "two")
  assert.match(opened.text(), /answers again/)
  assert.equal(opened.text().split("engine is away").length, 2)
})

test("an engine that is not there yet is tried again; a round says so and serves the others", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, app, config } = await stage(t)
  const proxy = await startEngineProxy(t)
  proxy.refuse(true)
  const directory = join(await tempDir(t), "out")
  const id = await start()
  const opened = await agent(
    {},
    {
      apps: { [app]: config(), beside: appConfig("beside", { directory }) },
      plan: { connectEngine: connect(proxy.address) },
    },
  )
  assert.deepEqual(
    (await opened.round()).map((delivery) => [delivery.app, delivery.status]),
    [["beside", "ok"]],
  )
  assert.match(opened.text(), /cannot look for containers/)
  opened.run()
  await waitFor("the warning", () => /engine is away/.test(opened.text()))
  proxy.refuse(false)
  await opened.event(deliveredTo(id, "ok"))
})

test("a container that ends is no target any more, and another plan takes its containers in and out", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, app, config, place } = await stage(t)
  const [ends, stays] = [await start(), await start()]
  const opened = await agent()
  opened.run()
  await Promise.all([ends, stays].map((id) => opened.event(deliveredTo(id, "ok"))))
  await docker(["rm", "--force", ends])
  await opened.agent.replacePlan(opened.plan({ apps: { [app]: appConfig(app) } }))
  opened.catalogue.set("db-password", "two")
  const next = opened.plan({ apps: { [app]: config() }, plan: { connectEngine: connect() } })
  await opened.agent.replacePlan(next)
  await waitFor("the new content", async () => (await read(stays, secret)) === "two")
  assert.equal(countOf(opened, ends), 1)
  const startedAt = JSON.parse(
    await docker(["inspect", "--format={{json .State.StartedAt}}", stays]),
  ) as string
  await place.withState(({ state }) => {
    assert.equal(state.containers.find({ app, id: stays, startedAt }).isComplete, true)
  })
})

test("one that asks in vain is told of once for each start", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  const { agent, start, place } = await stage(t)
  const opened = await agent()
  opened.run()
  const id = await start({ "purser.files": "../etc/passwd" })
  const rejected = async (): Promise<number> =>
    (await place.audit()).filter((line) => line["container"] === id && line["kind"] === "rejected").length
  await waitFor("the audit line", async () => (await rejected()) === 1)
  await docker(["pause", id])
  await docker(["unpause", id])
  await docker(["restart", "--time=0", id])
  await waitFor("the second line", async () => (await rejected()) === 2)
  assert.equal(await exists(id, secret), false)
})
