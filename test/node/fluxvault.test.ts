import assert from "node:assert/strict"
import { createHook } from "node:async_hooks"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { setTimeout } from "node:timers/promises"
import { once } from "node:events"
import { AllowList } from "../../src/channel/allow-list.ts"
import { asciiJson, sealMessage } from "../../src/channel/fluxvault/envelope.ts"
import { resolveLimits, type ChannelLimits } from "../../src/channel/limits.ts"
import { parseFileLine, parseFileLines } from "../../src/files/file-line.ts"
import { parseReload } from "../../src/rollout/reload.ts"
import { filesStep } from "../../src/node/files-step.ts"
import { createFluxvaultNode, wireName } from "../../src/node/fluxvault.ts"
import { encrypt, joinAsAgent, originalAgent, Wire } from "../support/fluxvault-peer.ts"
import { testLog } from "../support/pair.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"
import { ended } from "../support/ended.ts"

/** Our node, against FluxVault's own agent and against agents that break its protocol. */

interface Settings {
  files: string
  allow?: string[]
  limits?: Partial<ChannelLimits>
  reload?: string
  directory?: string
}

async function startNode(
  t: TestContext,
  { files, allow = ["127.0.0.1"], limits, reload, directory }: Settings,
) {
  const out = directory ?? join(await tempDir(t), "secrets")
  const said = testLog()
  const sessions: unknown[] = []
  const reloads: string[] = []
  const node = createFluxvaultNode({
    directory: out,
    allow: AllowList.parse(allow),
    limits: resolveLimits(limits),
    log: said.log,
    step: filesStep({
      directory: out,
      files: parseFileLines(files),
      log: said.log,
      ...(reload === undefined ? {} : { reload: parseReload(reload) }),
      runReload: async ({ kind }) => void reloads.push(kind),
    }),
    onSession: (error) => sessions.push(error),
  })
  t.after(() => node.close())
  const { port } = await node.listen({ host: "127.0.0.1", port: 0 })
  const ended = (count = 1) => waitFor(`${count} sessions to end`, () => sessions.length >= count)
  return {
    ...said,
    node,
    port,
    sessions,
    reloads,
    ended,
    directory: out,
    read: (name: string) => readFile(join(out, name), "utf8"),
  }
}

const { sessions: recorded } = JSON.parse(
  readFileSync(new URL("../vectors/fluxvault-v1.json", import.meta.url), "utf8"),
) as {
  sessions: {
    agent_files: Record<string, string>
    node_files_before: Record<string, string>
    node_files_after: Record<string, string>
    requested: string[]
    decrypted_after_key_exchange: { from: string; message: Record<string, unknown> }[]
  }[]
}

for (const [index, session] of recorded.entries()) {
  test(`with the recorded session ${index + 1} our node asks what the original asked, and has what it had then`, async (t) => {
    const node = await startNode(t, { files: session.requested.map((name) => `${name} optional`).join("\n") })
    await mkdir(node.directory)
    for (const [name, content] of Object.entries(session.node_files_before))
      await writeFile(join(node.directory, name), content, { mode: 0o400 })
    const asked = await originalAgent(node.port, session.agent_files)
    const requests = session.decrypted_after_key_exchange.map(({ message }) => message)
    assert.deepEqual(
      asked?.map(({ FILE, crc32 }) => [FILE, crc32]),
      requests.filter(({ State }) => State === "REQUEST").map(({ FILE, crc32 }) => [FILE, crc32]),
    )
    for (const [name, content] of Object.entries(session.node_files_after))
      assert.equal(await node.read(name), content)
  })

  test(`with what the agent said in the recorded session ${index + 1} our node comes to its end`, async (t) => {
    const node = await startNode(t, { files: session.requested.map((name) => `${name} optional`).join("\n") })
    await mkdir(node.directory)
    for (const [name, content] of Object.entries(session.node_files_before))
      await writeFile(join(node.directory, name), content, { mode: 0o400 })
    const agent = await joinAsAgent(node.port)
    assert.ok(agent)
    for (const { from, message } of session.decrypted_after_key_exchange.slice(2)) {
      if (from === "agent") agent.send(message)
      else assert.equal((await agent.recv())?.["State"], message["State"])
    }
    await node.ended()
    assert.deepEqual(node.sessions, [null])
  })
}

test("an empty file, for which the original agent answers Match, is created, and stays as it is", async (t) => {
  const node = await startNode(t, { files: "empty", reload: "HUP" })
  assert.deepEqual((await originalAgent(node.port, { empty: "" }))?.length, 1)
  const { size, mode, mtimeMs } = await stat(join(node.directory, "empty"))
  assert.deepEqual([size, mode & 0o777], [0, 0o400])
  await originalAgent(node.port, { empty: "" })
  assert.equal((await stat(join(node.directory, "empty"))).mtimeMs, mtimeMs)
  await node.ended(2)
  assert.deepEqual(node.sessions, [null, null])
  assert.deepEqual(node.reloads, [], "nothing has changed")
})

test("a file that changes after its checksum was sent does not count as a match", async (t) => {
  const node = await startNode(t, { files: "a\nb" })
  await originalAgent(node.port, { a: "1", b: "2" })
  const agent = await joinAsAgent(node.port)
  assert.ok(agent)
  const answerMatch = async (name: string): Promise<unknown> => {
    const request = await agent.recv()
    assert.equal(request?.["FILE"], name)
    await rm(join(node.directory, "b"), { force: true })
    await writeFile(join(node.directory, "b"), "somebody else's", { mode: 0o400 })
    agent.send({ ...request, State: "DATA", Status: "Match", Body: "" })
    return request["crc32"]
  }
  assert.notEqual(await answerMatch("a"), 0)
  assert.equal(await answerMatch("b"), 0)
  assert.equal((await agent.recv())?.["State"], "DONE")
  assert.equal(await node.read("b"), "", "which is what matches a checksum of 0")
})

test("modes and paths are those of the file lines, and unchanged files are neither written nor reloaded", async (t) => {
  const other = join(await tempDir(t), "other")
  const node = await startNode(t, { files: `a mode=0440\nb path=${other}`, reload: "HUP" })
  await originalAgent(node.port, { a: "1", b: "ä€\n" })
  assert.equal((await stat(join(node.directory, "a"))).mode & 0o777, 0o440)
  assert.equal(await readFile(other, "utf8"), "ä€\n")
  const asked = await originalAgent(node.port, { a: "2", b: "ä€\n" })
  assert.deepEqual(
    asked?.map(({ FILE }) => FILE),
    ["a", "b"],
  )
  assert.notEqual(asked?.[1]?.["crc32"], 0)
  await node.ended(2)
  assert.equal(await node.read("a"), "2")
  assert.deepEqual(node.reloads, ["signal"])
  assert.match(node.text(), /delivery complete written=1 unchanged=1/)
})

test("a file of the wrong mode is asked for as if it were not there, and gets the right one", async (t) => {
  const node = await startNode(t, { files: "a" })
  await mkdir(node.directory)
  await writeFile(join(node.directory, "a"), "1", { mode: 0o644 })
  const asked = await originalAgent(node.port, { a: "1" })
  assert.equal(asked?.[0]?.["crc32"], 0)
  assert.equal((await stat(join(node.directory, "a"))).mode & 0o777, 0o400)
})

test("the agent is asked for the path when it is not a valid secret name", async (t) => {
  const node = await startNode(t, { files: "dot-env path=.env\ndeep path=.config/app.json" })
  const asked = await originalAgent(node.port, { ".env": "A=1\n", ".config/app.json": "{}" })
  assert.deepEqual(
    asked?.map(({ FILE }) => FILE),
    [".env", ".config/app.json"],
  )
  assert.equal(await node.read(".env"), "A=1\n")
  assert.equal(await node.read(".config/app.json"), "{}")
  await originalAgent(node.port, { ".env": "A=1\n" })
  await node.ended(2)
  assert.match(node.text(), /debug: asked for \.env: Success\n/)
  assert.match(node.text(), /debug: asked for \.config\/app\.json: FileNotFound\n/)
})

test("any other path is only the file's place, and the agent is asked for the name", () => {
  const names = [
    "a",
    "a path=b",
    "a path=b/c",
    "a path=/run/.env",
    "a path=.env",
    "a path=.b/c",
    "a path=b/.c",
  ]
  assert.deepEqual(
    names.map((line) => wireName(parseFileLine(line))),
    ["a", "a", "a", "a", ".env", ".b/c", "b/.c"],
  )
})

test("when the agent lacks a required file, the others are written, the agent gets DONE, and the log names it", async (t) => {
  const node = await startNode(t, { files: "a\nb" })
  assert.equal((await originalAgent(node.port, { a: "1" }))?.length, 2)
  await node.ended()
  assert.equal(await node.read("a"), "1")
  assert.match(node.text(), /error: session with .* failed: not delivered: b/)
  await originalAgent(node.port, { a: "1", b: "2" })
  await node.ended(2)
  assert.equal(node.sessions[1], null)
})

test("a file that cannot be written ends the session without DONE", async (t) => {
  const directory = join(await tempDir(t), "secrets")
  await mkdir(join(directory, "a"), { recursive: true })
  const node = await startNode(t, { files: "a", directory })
  assert.equal(await originalAgent(node.port, { a: "1" }), undefined)
  await node.ended()
  assert.match(node.text(), /cannot write .*: a directory is there/)
})

test("a peer outside the allow-list is refused at once without a byte, and its file is not written", async (t) => {
  const node = await startNode(t, { files: "a", allow: ["192.0.2.1"] })
  assert.equal(await originalAgent(node.port, { a: "theirs" }), undefined)
  const socket = connect(node.port, "127.0.0.1")
  const chunks: Buffer[] = []
  socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => {})
  await ended(socket)
  assert.deepEqual(chunks, [])
  assert.match(node.text(), /turned away 127.0.0.1: its address is not on the allow-list/)
  assert.equal(existsSync(node.directory), false)
})

test("each connection gets a key of its own", async (t) => {
  const node = await startNode(t, { files: "a" })
  const keys = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const wire = new Wire(connect(node.port, "127.0.0.1"))
      const key = await wire.recv()
      wire.socket.destroy()
      return key?.["PublicKey"]
    }),
  )
  assert.equal(new Set(keys).size, 6)
})

test("a connection does not wait for its key to be made", async (t) => {
  const jobs = new Set<number>()
  let made = 0
  const hook = createHook({
    init: (id, type) => void (type === "KEYPAIRGENREQUEST" && jobs.add(id)),
    before: (id) => void (jobs.delete(id) && made++),
  }).enable()
  t.after(() => hook.disable())
  const node = await startNode(t, { files: "a", limits: { sessions: 1 } })
  // More than once, because a key may happen to be made quickly.
  const waited: number[] = []
  for (let count = 1; count <= 5; count++) {
    await waitFor("a key to be ready", () => made === count)
    const wire = new Wire(connect(node.port, "127.0.0.1"))
    assert.equal((await wire.recv())?.["State"], "KEYSENT")
    waited.push(made - count)
    wire.socket.destroy()
  }
  assert.ok(waited.includes(0), String(waited))
})

test("a session key that arrives byte by byte is accepted", async (t) => {
  const node = await startNode(t, { files: "a" })
  const agent = await joinAsAgent(node.port, async (socket, text) => {
    for (const byte of text) {
      socket.write(byte)
      await new Promise(setImmediate)
    }
  })
  assert.equal((await agent?.recv())?.["FILE"], "a")
})

test("a session key of more than 8192 bytes is refused before its end", async (t) => {
  const node = await startNode(t, { files: "a" })
  const wire = new Wire(connect(node.port, "127.0.0.1"))
  await wire.recv()
  wire.socket.write(`{"State":"AESKEY","enc_session_key":"${"0".repeat(8192)}`)
  assert.equal(await wire.recv(), undefined)
  assert.match(node.text(), /warn: key exchange with .* failed: a frame is longer than 8193 bytes/)
})

test("no two messages of a node have the same fill", async (t) => {
  const node = await startNode(t, { files: "a optional\nb optional" })
  const agent = await joinAsAgent(node.port)
  assert.ok(agent)
  const fills = new Set<unknown>()
  for (const name of ["a", "b", undefined]) {
    const request = await agent.recv()
    assert.equal(request?.["FILE"], name)
    assert.match(String(request?.["fill"]), /^[0-9a-f]{32}$/)
    fills.add(request?.["fill"])
    agent.send({ ...request, State: "DATA", Status: "FileNotFound", Body: "" })
  }
  assert.equal(fills.size, 3)
})

test("repeated connections from an allowed address do not keep the agent out", async (t) => {
  const node = await startNode(t, { files: "a", limits: { handshakeMs: 4000 } })
  for (let count = 0; count < 150; count++) {
    const socket = connect(node.port, "127.0.0.1")
    await once(socket, "connect")
    socket.destroy()
  }
  assert.equal((await originalAgent(node.port, { a: "1" }))?.length, 1)
})

const answer = { State: "DATA", FILE: "a", Status: "Success", Body: "evil" }
const breaches: [what: string, says: Record<string, unknown> | string, message: RegExp][] = [
  ["answers for another file", { ...answer, FILE: "b" }, /does not answer the request/],
  ["answers with a request", { ...answer, State: "REQUEST" }, /does not answer the request/],
  ["knows another status", { ...answer, Status: "Take" }, /does not answer the request/],
  ["sends half a character", { ...answer, Body: "\ud800" }, /does not answer the request/],
  ["sends more than a secret may have", { ...answer, Body: "x".repeat(65_537) }, /the limit is 65536/],
  ["sends a message without end", `{"nonce":"${"0".repeat(900_000)}`, /longer than/],
  ["sends what is no JSON", "no", /not JSON/],
  ["sends an array", "[1]", /not a JSON object/],
  ["goes on in clear", JSON.stringify(answer), /damaged or altered/],
]
for (const [what, says, message] of breaches) {
  test(`an agent that ${what} is cut off, and what is in place stays`, async (t) => {
    const node = await startNode(t, { files: "a", limits: { secretBytes: 65_536 } })
    await originalAgent(node.port, { a: "good" })
    const agent = await joinAsAgent(node.port)
    assert.equal((await agent?.recv())?.["State"], "REQUEST")
    if (typeof says === "string") agent?.wire.socket.write(says)
    else agent?.send(says)
    assert.equal(await agent?.recv(), undefined, "no DONE")
    await node.ended(2)
    assert.equal(node.sessions[0], null)
    assert.match(String(node.sessions[1]), message)
    assert.equal(await node.read("a"), "good")
    assert.deepEqual(await readdir(node.directory), ["a"])
  })
}

test("a message with any one bit changed ends the session", async (t) => {
  const node = await startNode(t, { files: "a" })
  for (const name of ["nonce", "tag", "ciphertext"]) {
    const agent = await joinAsAgent(node.port)
    assert.ok(agent)
    await agent.recv()
    const envelope = encrypt(agent.sessionKey, answer)
    const altered = String(envelope[name]).replace(/^./, (digit) => (digit === "0" ? "8" : "0"))
    agent.wire.send({ ...envelope, [name]: altered }, "\n")
    assert.equal(await agent.recv(), undefined)
  }
  await node.ended(3)
  for (const error of node.sessions) assert.match(String(error), /damaged or altered/)
  assert.equal(existsSync(node.directory), false)
})

test("an answer that arrives byte by byte, directly followed by the next one, is accepted", async (t) => {
  const node = await startNode(t, { files: "a\nb" })
  const agent = await joinAsAgent(node.port)
  assert.ok(agent)
  await agent.recv()
  // The second answer may come before its request, because the test knows the request in advance.
  const both = ["a", "b"].map((name) =>
    JSON.stringify(encrypt(agent.sessionKey, { ...answer, FILE: name, Body: name })),
  )
  for (const byte of both.join("")) {
    agent.wire.socket.write(byte)
    await new Promise(setImmediate)
  }
  assert.equal((await agent.recv())?.["FILE"], "b")
  await node.ended()
  assert.deepEqual(node.sessions, [null])
  assert.equal((await node.read("a")) + (await node.read("b")), "ab")
})

test("an agent that stalls in the key exchange or in an answer is disconnected", async (t) => {
  const impatient = await startNode(t, { files: "a", limits: { handshakeMs: 300 } })
  const silent = new Wire(connect(impatient.port, "127.0.0.1"))
  await silent.recv()
  assert.equal(await silent.recv(), undefined)
  // On a busy machine an honest key exchange takes longer than that.
  const node = await startNode(t, { files: "a", limits: { frameMs: 300 } })
  const agent = await joinAsAgent(node.port)
  assert.ok(agent)
  await agent.recv()
  agent.wire.socket.write('{"nonce":')
  assert.equal(await agent.recv(), undefined)
  await node.ended()
  assert.match(String(node.sessions[0]), /no whole frame within 300 ms/)
})

test("a slow answer within the time limits is accepted", async (t) => {
  const node = await startNode(t, { files: "a", limits: { frameMs: 400 } })
  const agent = await joinAsAgent(node.port)
  assert.ok(agent)
  await agent.recv()
  const line = JSON.stringify(encrypt(agent.sessionKey, { ...answer, Body: "slow" }))
  const step = Math.ceil(line.length / 10)
  for (let at = 0; at < line.length; at += step) {
    await setTimeout(100)
    agent.wire.socket.write(line.slice(at, at + step))
  }
  await agent.recv()
  await node.ended()
  assert.deepEqual(node.sessions, [null])
  assert.equal(await node.read("a"), "slow")
})

test("an answer that never ends is aborted at the session's time limit", async (t) => {
  const node = await startNode(t, { files: "a", limits: { frameMs: 400, sessionMs: 800 } })
  const agent = await joinAsAgent(node.port)
  assert.ok(agent)
  await agent.recv()
  agent.wire.socket.write('{"nonce":"')
  const trickle = setInterval(() => agent.wire.socket.write("0"), 50)
  t.after(() => clearInterval(trickle))
  assert.equal(await agent.recv(), undefined)
  await node.ended()
  assert.match(String(node.sessions[0]), /the session took longer than 800 ms/)
})

test("agents over the limit of sessions are refused, and the others are served", async (t) => {
  const node = await startNode(t, { files: "a", limits: { sessions: 2 } })
  const first = await joinAsAgent(node.port)
  const second = await joinAsAgent(node.port)
  await first?.recv()
  const third = await joinAsAgent(node.port)
  assert.equal(await third?.recv(), undefined)
  assert.match(node.text(), /too many sessions are open/)
  // The second agent is asked when the first is done, so that their files do not mix.
  first?.send({ ...answer, Body: "first" })
  assert.equal((await second?.recv())?.["State"], "REQUEST")
  second?.send({ ...answer, Body: "second" })
  await node.ended(2)
  assert.deepEqual(node.sessions, [null, null])
  assert.equal(await node.read("a"), "second")
})

test("a name that fits no segment, or that our agent refuses, is an error at the start", () => {
  const named = (path: string): string => wireName(parseFileLine(`long path=.${path}`))
  assert.equal(named("x".repeat(254)).length, 255)
  assert.equal(named("ä".repeat(70)).length, 71)
  for (const path of ["x".repeat(255), "ä".repeat(75)])
    assert.throws(() => named(path), { code: "ERR_FILE_LINE", message: /path=".*" is too long/ })
})

test("the longest request arrives in the smallest segment there is", () => {
  for (const path of [`.${"ä".repeat(72)}`, `.${"x".repeat(254)}`]) {
    const request = { State: "REQUEST", FILE: wireName(parseFileLine(`a path=${path}`)), crc32: 0xffff_ffff }
    assert.ok(asciiJson(sealMessage(Buffer.alloc(32), { ...request, fill: "0".repeat(32) })).length <= 1220)
  }
})

test("closing ends the sessions and leaves no half-written file", async (t) => {
  const node = await startNode(t, { files: "a" })
  const agent = await joinAsAgent(node.port)
  await agent?.recv()
  await node.node.close()
  assert.equal(await agent?.recv(), undefined)
  await node.ended()
  assert.match(String(node.sessions[0]), /the node is closing/)
})
