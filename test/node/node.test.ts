import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type AddressInfo } from "node:net"
import { hostname } from "node:os"
import { test } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { isAppName } from "../../src/base/names.ts"
import { isPurserError } from "../../src/base/errors.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import { createNode } from "../../src/node/node.ts"
import { home, startTestNode } from "../support/pair.ts"
import { rawAgent } from "../support/raw.ts"

test("a node serves connections that an application's own server accepted", async (t) => {
  const place = await home(t)
  let received: string | undefined
  const node = createNode({
    enrolment: await place.enrol(),
    async steps(agent) {
      const file = await agent.file("db-password")
      if (file.status === "sent") received = file.content.revealText()
    },
  })
  t.after(() => node.close())
  const server = createServer((socket) => node.handle(socket)).listen(0, "127.0.0.1")
  t.after(() => server.close())
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const agent = await place.agent({ nodes: [`127.0.0.1:${port}`] })
  const [delivery] = await agent.round()
  assert.equal(delivery?.status, "ok", delivery?.error?.message)
  assert.equal(received, "swordfish")
})

test("its name defaults to the host's if that is valid, and its pin is new unless an identity is given", async (t) => {
  const place = await home(t)
  const enrolment = await place.enrol()
  const identity = createIdentity()
  const nodes = [
    createNode({ enrolment, steps: async () => {} }),
    createNode({ enrolment, steps: async () => {} }),
    createNode({ enrolment, steps: async () => {}, identity }),
  ]
  for (const node of nodes) t.after(() => node.close())
  assert.equal(nodes[2]?.pin, identity.pin)
  assert.equal(new Set(nodes.map(({ pin }) => pin)).size, 3)
  assert.deepEqual(new Set(nodes.map(({ app }) => app)), new Set(["web"]))
  const { port } = (await nodes[0]?.listen({ host: "127.0.0.1", port: 0 })) ?? { port: 0 }
  const agent = await place.agent({ nodes: [`127.0.0.1:${port}`] })
  const [delivery] = await agent.round()
  const own = hostname().toLowerCase().split(".")[0] ?? ""
  assert.equal(delivery?.node, isAppName(own) ? own : "node")
})

test("a damaged enrolment string is refused at once, without showing it", () => {
  assert.throws(
    () => createNode({ enrolment: "purser1.web.nothing", steps: async () => {} }),
    (error) => isPurserError(error, "ERR_ENROLMENT") && !error.message.includes("nothing"),
  )
})

test("closing a node aborts the steps of the open session, and refuses new sessions", async (t) => {
  const place = await home(t)
  const begun = Promise.withResolvers<void>()
  const node = await startTestNode(t, await place.enrol(), {
    async steps({ signal }) {
      begun.resolve()
      await new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      )
    },
  })
  const agent = await place.agent({ nodes: [node.address] })
  const round = agent.round()
  await begun.promise
  await node.node.close()
  assert.equal((await round)[0]?.error?.code, "ERR_UNREACHABLE")
  assert.match(String(node.sessions[0]), /the node is closing/)
  assert.equal((await agent.round())[0]?.error?.code, "ERR_UNREACHABLE")
  await node.node.close()
})

test("closing a node right after its session waits until the agent has read the last frame", async (t) => {
  const place = await home(t)
  let isClosed = false
  const closed = Promise.withResolvers<void>()
  const node = createNode({
    enrolment: await place.enrol(),
    steps: async () => ({ written: 3, unchanged: 0, missing: 0 }),
    onSession() {
      setImmediate(() => {
        void node.close().then(() => {
          isClosed = true
          closed.resolve()
        })
      })
    },
  })
  const { port } = await node.listen({ host: "127.0.0.1", port: 0 })
  const agent = await rawAgent(t, port, place.identity)
  await agent.welcome()
  agent.channel.socket.pause()
  await Promise.race([closed.promise, delay(300)])
  assert.equal(isClosed, false)
  agent.channel.socket.resume()
  assert.deepEqual(await agent.next(), { type: "done", status: "ok", written: 3, unchanged: 0, missing: 0 })
  await closed.promise
})

test("a node with two agent pins accepts either agent during a rotation", async (t) => {
  const [old, next] = [await home(t), await home(t)]
  const { token, app } = await old.enrolment()
  assert.ok(token)
  const node = await startTestNode(t, { app, token, agentPins: [old.identity.pin, next.identity.pin] })
  for (const place of [old, next]) {
    const agent = await place.agent({ nodes: [node.address], app: { trust: { mode: "discovered" } } })
    assert.equal((await agent.round())[0]?.status, "ok")
  }
})
