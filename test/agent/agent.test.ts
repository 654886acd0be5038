import assert from "node:assert/strict"
import { mkdir, readdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import type { AgentEvent, DeliveryEvent } from "../../src/agent/delivery/events.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import { appConfig, home, nodeSpecs, startTestNode, type TestAgent } from "../support/pair.ts"
import { startProxy, startTarpit } from "../support/proxy.ts"
import { doneFrame, rawNode } from "../support/raw.ts"
import { tempDir } from "../support/temp.ts"
import { mounted } from "../files/support.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"

/** An agent that runs: who gets a delivery when, and what it does when the world changes or breaks. */

const isDelivery =
  (target: string, status?: DeliveryEvent["status"]) =>
  (event: AgentEvent): event is DeliveryEvent =>
    event.type === "delivery" && event.target === target && (status === undefined || event.status === status)

const countOf = (agent: TestAgent, target: string): number => agent.events.filter(isDelivery(target)).length

test("a secret that changes reaches every node of the app at once, and no other app's", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrol()
  const web = await Promise.all([1, 2, 3].map(() => startTestNode(t, enrolment)))
  const db = await startTestNode(t, await place.enrol("db"))
  const agent = await place.agent({
    secrets: { "db-password": "one", "tls.key": "key" },
    apps: {
      web: appConfig("web", { nodes: nodeSpecs(web.map(({ address }) => address)) }),
      db: appConfig("db", { secrets: ["tls.key"], nodes: nodeSpecs([db.address]) }),
    },
  })
  agent.run()
  await Promise.all([...web, db].map(({ address }) => agent.event(isDelivery(address, "ok"))))
  agent.catalogue.set("db-password", "two")
  for (const node of web)
    await waitFor("the new content", async () => (await node.read("db-password")) === "two")
  assert.equal(countOf(agent, db.address), 1)
})

test("in a round a secret is read once for all nodes that ask for it", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrol()
  const nodes = await Promise.all([1, 2, 3, 4].map(() => startTestNode(t, enrolment)))
  const agent = await place.agent({ nodes: nodes.map(({ address }) => address) })
  await agent.round()
  assert.equal(agent.catalogue.reads.get("db-password"), 1)
  await agent.round()
  assert.equal(agent.catalogue.reads.get("db-password"), 2)
})

test("a node that is slow delays no other", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrolment()
  const release = Promise.withResolvers<void>()
  const slow = await rawNode(t, enrolment, async ({ greet, write }) => {
    await greet()
    await release.promise
    await write(doneFrame)
  })
  const quick = await Promise.all([1, 2, 3].map(() => startTestNode(t, enrolment)))
  const agent = await place.agent({
    nodes: [slow.address, ...quick.map(({ address }) => address)],
    plan: { parallel: 4 },
  })
  agent.run()
  await Promise.all(quick.map(({ address }) => agent.event(isDelivery(address, "ok"))))
  agent.catalogue.set("db-password", "two")
  for (const node of quick)
    await waitFor("the new content", async () => (await node.read("db-password")) === "two")
  assert.equal(countOf(agent, slow.address), 0, "it is still being served")
  release.resolve()
  await agent.event(isDelivery(slow.address, "ok"))
})

test("200 tarpits of a lying discovery do not keep a known node from being served at once", async (t) => {
  const place = await home(t)
  const good = await startTestNode(t, await place.enrol())
  const tarpit = await startTarpit(t, 200)
  const agent = await place.agent({
    nodes: [...tarpit.addresses, good.address],
    plan: { parallel: 8 },
  })
  await agent.agent.replacePlan(agent.plan({ nodes: [good.address] }))
  await agent.round()
  await agent.agent.replacePlan(
    agent.plan({ nodes: [...tarpit.addresses, good.address], plan: { parallel: 8 } }),
  )
  agent.run()
  await waitFor("the delivery", () => countOf(agent, good.address) === 2)
  const givenUp = tarpit.addresses.filter((address) => countOf(agent, address) > 0)
  assert.deepEqual(givenUp, [], "before the first handshake runs out of time")
  assert.ok(tarpit.connections() <= 4, "tarpits get half of the slots")
  agent.catalogue.set("db-password", "two")
  await waitFor("the new content", async () => (await good.read("db-password")) === "two")
  assert.ok(tarpit.connections() <= 4)
})

test("with a lying discovery a new node gets its turn too, as tarpits run out of time", async (t) => {
  const place = await home(t)
  const good = await startTestNode(t, await place.enrol())
  const tarpit = await startTarpit(t, 20)
  const agent = await place.agent({
    nodes: [...tarpit.addresses, good.address],
    plan: { parallel: 8 },
    limits: { handshakeMs: 200 },
  })
  agent.run()
  await agent.event(isDelivery(good.address, "ok"))
  const [failed] = agent.events.filter((event) => event.type === "delivery" && event.status === "failed")
  assert.ok(failed?.type === "delivery" && failed.error?.code === "ERR_TIMEOUT")
})

test("the network cut in the middle of a body fails the session, keeps the old file whole, and is mended by itself", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol())
  const proxy = await startProxy(t, node.port)
  const agent = await place.agent({ secrets: { "db-password": "a".repeat(600_000) }, nodes: [proxy.address] })
  agent.run()
  await agent.event(isDelivery(proxy.address, "ok"))
  proxy.after(100_000, "cut")
  const ended = node.nextSession()
  agent.catalogue.set("db-password", "b".repeat(600_000))
  await proxy.happened()
  assert.match(String(await ended), /connection was lost/)
  const failed = await agent.event(isDelivery(proxy.address, "failed"))
  assert.equal(failed.error?.code, "ERR_UNREACHABLE")
  assert.equal(await node.read("db-password"), "a".repeat(600_000))
  assert.deepEqual(await readdir(node.directory), ["db-password"])
  await waitFor("the second try", async () => (await node.read("db-password")).startsWith("b"))
})

test("a network that stalls in the middle of a body is given up at both ends after the frame's time", async (t) => {
  const place = await home(t)
  const limits = { frameMs: 300, sessionMs: 600 }
  const node = await startTestNode(t, await place.enrol(), { limits })
  const proxy = await startProxy(t, node.port)
  const agent = await place.agent({
    secrets: { "db-password": "a".repeat(900_000) },
    nodes: [proxy.address],
    limits,
  })
  proxy.after(100_000, "stall")
  const ended = node.nextSession()
  agent.run()
  assert.match(String(await ended), /no whole frame within 300 ms/)
  const failed = await agent.event(isDelivery(proxy.address, "failed"))
  assert.equal(failed.error?.code, "ERR_TIMEOUT")
  assert.deepEqual(await readdir(node.directory).catch(() => []), [])
  proxy.mend()
  await agent.event(isDelivery(proxy.address, "ok"))
  assert.equal((await node.read("db-password")).length, 900_000)
})

test("when it is told to stop, sessions in flight are finished and nothing new is begun", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrolment()
  const asked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const node = await rawNode(t, enrolment, async ({ greet, write }) => {
    await greet()
    asked.resolve()
    await release.promise
    await write(doneFrame)
  })
  const waiting = await startTestNode(t, enrolment)
  const agent = await place.agent({ nodes: [node.address, waiting.address], plan: { parallel: 2 } })
  const running = agent.run()
  await asked.promise
  const stopped = running.stop()
  agent.catalogue.set("db-password", "two")
  release.resolve()
  await stopped
  assert.equal(agent.events.filter(isDelivery(node.address, "ok")).length, 1)
  assert.equal(countOf(agent, waiting.address), 0)
})

test("a plan that replaces another takes effect at once: new grants, new nodes, and none that were taken out", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrol()
  const [stays, goes, comes] = await Promise.all([1, 2, 3].map(() => startTestNode(t, enrolment)))
  assert.ok(stays && goes && comes)
  const secrets = { "db-password": "swordfish", "tls.key": "key" }
  const agent = await place.agent({ secrets, nodes: [stays.address, goes.address] })
  agent.run()
  await agent.event(isDelivery(stays.address, "ok"))
  await agent.event(isDelivery(goes.address, "ok"))
  await agent.agent.replacePlan(
    agent.plan({ nodes: [stays.address, comes.address], app: { secrets: ["tls.key"] } }),
  )
  await agent.event(isDelivery(comes.address, "ok"))
  await waitFor("what is granted now", () => stays.read("tls.key").catch(() => undefined))
  assert.equal(await comes.read("tls.key"), "key")
  await assert.rejects(comes.read("db-password"), { code: "ENOENT" })
  const begun = agent.events.filter(({ type, target }) => type === "start" && target === goes.address)
  assert.equal(begun.length, 1, "what was taken out gets no other delivery")
})

test("a plan that replaces another brings its own pace", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol())
  const agent = await place.agent({ nodes: [node.address] })
  agent.run()
  await agent.event(isDelivery(node.address, "ok"))
  await agent.agent.replacePlan(agent.plan({ nodes: [node.address], plan: { everyMs: 50 } }))
  await waitFor("more deliveries", () => countOf(agent, node.address) >= 4)
})

test("a failed node is tried again when another process changes the state: an approval is noticed within a second", async (t) => {
  const place = await home(t)
  const { agentPins } = await place.enrolment()
  const identity = createIdentity()
  const node = await startTestNode(t, { app: "web", agentPins }, { identity })
  const settings = {
    nodes: [node.address],
    app: { trust: { mode: "approved" } },
    plan: { everyMs: 3_600_000 },
  } as const
  const agent = await place.agent(settings)
  agent.run()
  const refused = await agent.event(isDelivery(node.address, "refused"))
  assert.match(refused.error?.message ?? "", /its pin waits for approval/)
  // So often that its next turn would be minutes away.
  for (let count = 2; count < 10; count++) {
    await agent.agent.replacePlan(agent.plan(settings))
    await waitFor("another refusal", () => countOf(agent, node.address) >= count)
  }
  assert.match(agent.text(), /alert: a new node of web at .* waits for approval/)
  await place.withState(({ state }) => void state.approvals.decide(identity.pin, "approved"))
  await waitFor("the delivery", () => agent.events.some(isDelivery(node.address, "ok")), { timeoutMs: 3000 })
})

test("trust: discovered serves whoever answers, and warns of it", async (t) => {
  const place = await home(t)
  const { agentPins } = await place.enrolment()
  const node = await startTestNode(t, { app: "web", agentPins })
  const agent = await place.agent({ nodes: [node.address], app: { trust: { mode: "discovered" } } })
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.match(agent.text(), /warn: web has trust: discovered/)
})

test("one node more than max_nodes raises an alert and gets nothing, and the others are served", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrol()
  const nodes = await Promise.all([1, 2, 3].map(() => startTestNode(t, enrolment)))
  const agent = await place.agent({
    nodes: nodes.map(({ address }) => address),
    app: { maxNodes: 2 },
  })
  const deliveries = await agent.round()
  const refused = deliveries.filter(({ status }) => status === "refused")
  assert.equal(refused.length, 1)
  assert.match(refused[0]?.error?.message ?? "", /max_nodes is 2/)
  const alerts = (await place.audit()).filter(({ kind }) => kind === "alert")
  assert.deepEqual(
    alerts.map(({ address, reason }) => [address, reason]),
    [[refused[0]?.target, "max_nodes"]],
  )
})

test("a second agent on the same state is refused and names the first, and the first goes on", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol())
  const first = await place.agent({ nodes: [node.address] })
  await assert.rejects(
    place.agent({}),
    (error: Error) => error.message.includes(`in use by process ${process.pid}`) && "code" in error,
  )
  assert.equal((await first.round())[0]?.status, "ok")
  await first[Symbol.asyncDispose]()
  await using second = await place.agent({ nodes: [node.address] })
  assert.equal((await second.round())[0]?.matched, 1)
})

test("two apps at the same address get their own secrets, each by its own enrolment", async (t) => {
  const place = await home(t)
  await place.enrol("db")
  const node = await startTestNode(t, await place.enrol("web"))
  const agent = await place.agent({
    secrets: { "db-password": "swordfish", "tls.key": "key" },
    apps: {
      web: appConfig("web", { nodes: nodeSpecs([node.address]) }),
      db: appConfig("db", { secrets: ["tls.key"], nodes: nodeSpecs([node.address]) }),
    },
  })
  const deliveries = await agent.round()
  assert.deepEqual(
    new Map(deliveries.map(({ app, status }) => [app, status])),
    new Map([
      ["web", "ok"],
      ["db", "refused"],
    ]),
  )
  assert.deepEqual(await readdir(node.directory), ["db-password"])
})

test("the clock set back brings no expired token back to life, and set ahead it refuses no good one", async (t) => {
  const place = await home(t)
  const old = await startTestNode(t, await place.enrol(), { name: "old" })
  await place.withState(({ state }) => void state.tokens.rotate("web", 3_600_000))
  const fresh = await startTestNode(t, await place.enrol(), { name: "fresh" })
  const real = Date.now()
  t.mock.timers.enable({ apis: ["Date"], now: real })
  const agent = await place.agent({ nodes: [old.address, fresh.address] })
  const round = async (): Promise<(string | undefined)[]> => {
    const deliveries = await agent.round()
    return [old, fresh].map(({ address }) => deliveries.find(({ target }) => target === address)?.status)
  }
  assert.deepEqual(await round(), ["ok", "ok"])
  t.mock.timers.setTime(real + 2 * 3_600_000)
  assert.deepEqual(await round(), ["refused", "ok"])
  t.mock.timers.setTime(real - 86_400_000)
  assert.deepEqual(await round(), ["refused", "ok"])
})

test("a directory beside the agent is filled, kept up to date, and told by its events", async (t) => {
  const place = await home(t)
  const directory = join(await tempDir(t), "out")
  const agent = await place.agent({ app: { directory } })
  agent.run()
  const first = await agent.event(isDelivery(directory, "ok"))
  assert.deepEqual([first.sent, first.matched, first.missing], [1, 0, 0])
  agent.catalogue.set("db-password", "two")
  const second = await waitFor("the second delivery", () => agent.events.filter(isDelivery(directory))[1])
  assert.deepEqual([second.status, second.sent], ["ok", 1])
  assert.deepEqual(
    (await place.audit()).map(({ kind, secret }) => [kind, secret]),
    [
      ["delivered", "db-password"],
      ["delivered", "db-password"],
    ],
  )
})

test("a directory that cannot be filled fails with one line, and nodes and other directories go on", async (t) => {
  const place = await home(t)
  const base = await tempDir(t)
  await writeFile(join(base, "file"), "")
  await mkdir(join(base, "good"))
  const node = await startTestNode(t, await place.enrol())
  const agent = await place.agent({
    apps: {
      bad: appConfig("bad", { directory: join(base, "file") }),
      good: appConfig("good", { directory: join(base, "good") }),
      lacking: appConfig("lacking", { directory: join(base, "lacking"), secrets: ["db-password", "gone"] }),
      web: appConfig("web", { nodes: nodeSpecs([node.address]) }),
    },
  })
  const deliveries = await agent.round()
  const byApp = new Map(deliveries.map((delivery) => [delivery.app, delivery]))
  assert.deepEqual(
    ["bad", "good", "lacking", "web"].map((app) => byApp.get(app)?.status),
    ["failed", "ok", "failed", "ok"],
  )
  assert.equal(byApp.get("bad")?.error?.code, "ERR_TARGET")
  assert.match(byApp.get("lacking")?.error?.message ?? "", /not delivered into .*: gone/)
})

test("what cannot be written into the audit log is not sent, and is sent once it can", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const disk = await mounted(t, "-t", "tmpfs", "-o", "size=1m", "purser-test")
  const place = await home(t, join(disk, "state"))
  const node = await startTestNode(t, await place.enrol())
  const agent = await place.agent({ nodes: [node.address] })
  assert.equal((await agent.round())[0]?.status, "ok")
  const filler = join(disk, "filler")
  await mkdir(filler)
  for (const size of [65_536, 4096]) {
    for (let count = 0; ; count++) {
      const written = await writeFile(join(filler, `${size}-${count}`), "x".repeat(size)).then(
        () => true,
        () => false,
      )
      if (!written) break
    }
  }
  agent.catalogue.set("db-password", "two")
  const [failed] = await agent.round()
  assert.deepEqual([failed?.status, failed?.sent], ["failed", 0])
  assert.equal(await node.read("db-password"), "swordfish")
  await rm(filler, { recursive: true })
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(await node.read("db-password"), "two")
})
