import assert from "node:assert/strict"
import { mkdir, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { digestOf } from "../../src/base/digest.ts"
import { isPurserError, type ErrorCode } from "../../src/base/errors.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import { AllowList } from "../../src/channel/allow-list.ts"
import { connectToNode } from "../../src/channel/dial.ts"
import type { Frame } from "../../src/channel/frames.ts"
import { home, startTestNode, type NodeSettings, type TestNode } from "../support/pair.ts"
import { rawAgent, silentStrangers, type RawAgent } from "../support/raw.ts"
import { tempDir } from "../support/temp.ts"

/** A node against an agent that has the right key, but sends hand-written frames that break the protocol. */

const old = "the old password"
const chunkOf = (bytes: Buffer, index = 0, id = 1): object => ({
  type: "chunk",
  id,
  index,
  data: bytes.toString("base64"),
})
const sent = (bytes: Buffer, changes: object = {}): object => ({
  type: "answer",
  id: 1,
  status: "sent",
  digest: digestOf(bytes),
  size: bytes.length,
  chunks: 1,
  ...changes,
})

/** A node that has the old file and asks for the new one, and an agent whose answers the test writes. */
async function play(
  t: TestContext,
  converse: (agent: RawAgent, request: Frame) => Promise<void>,
  settings: NodeSettings = {},
) {
  const place = await home(t)
  const directory = join(await tempDir(t), "secrets")
  await mkdir(directory)
  await writeFile(join(directory, "db-password"), old, { mode: 0o400 })
  const node = await startTestNode(t, await place.enrol(), { files: ["db-password"], directory, ...settings })
  const ended = node.nextSession()
  const agent = await rawAgent(t, node.port, place.identity)
  await agent.welcome()
  const request = await agent.next()
  await converse(agent, request)
  return { node, agent, place, error: await ended, request }
}

async function keepsOldFile(node: TestNode): Promise<void> {
  assert.equal(await node.read("db-password"), old)
  assert.deepEqual(await readdir(node.directory), ["db-password"], "and leaves nothing beside it")
}

test("asks with the digest of its file, and writes the content that the agent sends", async (t) => {
  const bytes = Buffer.from("new")
  const { node, error, request } = await play(t, async ({ write, next }) => {
    await write(sent(bytes))
    await write(chunkOf(bytes))
    assert.deepEqual(await next(), { type: "done", status: "ok", written: 1, unchanged: 0, missing: 0 })
  })
  assert.deepEqual(request, {
    type: "request",
    id: 1,
    action: "file",
    name: "db-password",
    have: digestOf(Buffer.from(old)),
  })
  assert.equal(error, null)
  assert.equal(await node.read("db-password"), "new")
})

const bytes = Buffer.from("not what was announced")
const other = Buffer.from("NOT what was announced")
const lies: [what: string, frames: object[], code: ErrorCode, settings?: NodeSettings][] = [
  ["whose digest differs", [sent(bytes), chunkOf(other)], "ERR_DIGEST"],
  ["that is shorter than announced", [sent(bytes, { size: 30 }), chunkOf(bytes)], "ERR_PROTOCOL"],
  ["that is longer than announced", [sent(bytes, { size: 3 }), chunkOf(bytes)], "ERR_PROTOCOL"],
  ["whose chunks are out of order", [sent(bytes), chunkOf(bytes, 1)], "ERR_PROTOCOL"],
  ["whose chunk is of another request", [sent(bytes), chunkOf(bytes, 0, 2)], "ERR_PROTOCOL"],
  ["whose chunk is not base64", [sent(bytes), { type: "chunk", id: 1, index: 0, data: "*" }], "ERR_PROTOCOL"],
  [
    "over the limit, before a byte of it is read",
    [sent(bytes, { size: 2 ** 20 + 1, chunks: 33 })],
    "ERR_LIMIT",
  ],
  [
    "over a limit that was set",
    [sent(bytes, { size: bytes.length }), chunkOf(bytes)],
    "ERR_LIMIT",
    { limits: { secretBytes: 10 } },
  ],
  ["of 16 MiB and a byte", [sent(bytes, { size: 2 ** 24 + 1, chunks: 513 })], "ERR_PROTOCOL"],
]
for (const [what, frames, code, settings] of lies) {
  test(`a body ${what} ends the session, and the old file stays whole`, async (t) => {
    const { node, error } = await play(
      t,
      async ({ write, next }) => {
        for (const frame of frames) await write(frame)
        const done = await next()
        assert.deepEqual([done["type"], done["status"], done["written"]], ["done", "failed", 0])
      },
      settings,
    )
    assert.ok(isPurserError(error, code), `${String(error)} is not ${code}`)
    await keepsOldFile(node)
    assert.equal(node.lines.filter((line) => /failed/.test(line)).length, 1, "one line says so")
  })
}

const wrong: [what: string, frame: object][] = [
  ["answers another request", { type: "answer", id: 7, status: "missing" }],
  [
    "says that what the node does not have matches",
    { type: "answer", id: 1, status: "match", digest: digestOf(bytes) },
  ],
  ["sends a chunk without an answer", chunkOf(bytes)],
  ["says welcome twice", { type: "welcome", version: "1.0.0" }],
  ["answers with a status that nobody knows", { type: "answer", id: 1, status: "maybe" }],
  ["asks", { type: "request", id: 1, action: "list" }],
]
for (const [what, frame] of wrong) {
  test(`an agent that ${what} is cut off, and the old file stays whole`, async (t) => {
    const { node, error } = await play(t, async ({ write, next }) => {
      await write(frame)
      assert.equal((await next())["status"], "failed")
    })
    assert.ok(isPurserError(error, "ERR_PROTOCOL"), String(error))
    await keepsOldFile(node)
  })
}

test("an agent that goes away in the middle of a body leaves the old file whole", async (t) => {
  const { node, error } = await play(t, async ({ write, channel }) => {
    await write(sent(bytes, { size: 40_000, chunks: 2 }))
    await write(chunkOf(Buffer.alloc(32_768)))
    channel.socket.destroy()
  })
  assert.ok(isPurserError(error, "ERR_UNREACHABLE"), String(error))
  await keepsOldFile(node)
})

test("an agent that stalls in the middle of a body is disconnected after the frame's time limit", async (t) => {
  const { node, error } = await play(t, async ({ write }) => await write(sent(bytes)), {
    limits: { frameMs: 200 },
  })
  assert.ok(isPurserError(error, "ERR_TIMEOUT"), String(error))
  await keepsOldFile(node)
})

test("an agent that sends single bytes slowly is disconnected after the frame's time limit", async (t) => {
  const { error } = await play(
    t,
    async ({ channel }) => {
      const trickle = setInterval(() => channel.socket.write("{"), 40)
      channel.socket.once("close", () => clearInterval(trickle))
    },
    { limits: { frameMs: 300 } },
  )
  assert.ok(isPurserError(error, "ERR_TIMEOUT"), String(error))
})

test("an agent that does not answer the hello is disconnected, and a session has a time limit too", async (t) => {
  const place = await home(t)
  for (const limits of [{ frameMs: 200 }, { sessionMs: 200 }]) {
    const node = await startTestNode(t, await place.enrol(), { limits })
    const ended = node.nextSession()
    const agent = await rawAgent(t, node.port, place.identity)
    await agent.next()
    assert.ok(isPurserError(await ended, "ERR_TIMEOUT"))
  }
})

test("forty silent strangers do not keep an agent out", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol())
  const agent = await place.agent({ nodes: [node.address] })
  await silentStrangers(t, node.port, 40)
  const [first] = await agent.round()
  assert.equal(first?.status, "ok")
  await silentStrangers(t, node.port, 40)
  const [second] = await agent.round()
  assert.deepEqual([second?.status, second?.matched], ["ok", 1])
})

test("a fifth session is refused, and the four go on", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol(), { files: ["db-password optional"] })
  const agents: RawAgent[] = []
  for (let count = 0; count < 4; count++) {
    const agent = await rawAgent(t, node.port, place.identity)
    await agent.next()
    agents.push(agent)
  }
  const fifth = await rawAgent(t, node.port, place.identity)
  await assert.rejects(fifth.next(), /lost before the first frame/)
  assert.match(node.text(), /too many sessions are open/)
  for (const [index, agent] of agents.entries()) {
    await agent.write({ type: "welcome", version: "1.0.0" })
    assert.equal((await agent.next())["type"], "request")
    await agent.write({ type: "answer", id: 1, status: "missing" })
    assert.equal((await agent.next())["status"], "ok", `session ${index + 1}`)
  }
})

test("an agent with another key is refused before the first frame, and the pinned agent still delivers", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol())
  const channel = await connectToNode({
    host: "127.0.0.1",
    port: node.port,
    identity: createIdentity(),
    signal: new AbortController().signal,
  })
  await assert.rejects(channel.reader.next(), /lost before the first frame/)
  assert.match(node.text(), /turned away .* its pin is not the expected one/)
  const agent = await place.agent({ nodes: [node.address] })
  assert.equal((await agent.round())[0]?.status, "ok")
})

test("a peer outside the allow-list gets no handshake, and the agent reports that", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol(), { allow: AllowList.parse(["192.0.2.0/24"]) })
  const agent = await place.agent({ nodes: [node.address] })
  const [delivery] = await agent.round()
  assert.equal(delivery?.error?.code, "ERR_UNREACHABLE")
  assert.match(node.text(), /turned away 127\.0\.0\.1: its address is not on the allow-list/)
  await assert.rejects(readdir(node.directory), { code: "ENOENT" })
})

test("an application's own steps get an answer to their action, and the agent is told of their failure without its message", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol(), {
    async steps(agent) {
      assert.deepEqual(await agent.ask("greet", { name: "node" }), { hello: "node" })
      throw new Error("a stack trace with /internal/paths")
    },
  })
  const agent = await place.agent({
    nodes: [node.address],
    app: { actions: ["greet"] },
    actions: { greet: async ({ name }) => ({ hello: name }) },
  })
  const [delivery] = await agent.round()
  assert.equal(delivery?.error?.message, "the node says that it failed: the node failed")
})

test("the node itself fails the steps at more requests than the limit", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol(), {
    limits: { requests: 2 },
    async steps(agent) {
      for (let count = 0; count < 3; count++) await agent.list()
    },
  })
  const agent = await place.agent({ nodes: [node.address] })
  const [delivery] = await agent.round()
  assert.match(delivery?.error?.message ?? "", /more than 2 requests/)
})
