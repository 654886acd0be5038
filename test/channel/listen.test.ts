import assert from "node:assert/strict"
import { once } from "node:events"
import { connect, createServer, type AddressInfo } from "node:net"
import { test } from "node:test"
import * as tls from "node:tls"
import { createLog } from "../../src/base/log.ts"
import { AllowList } from "../../src/channel/allow-list.ts"
import { connectToNode, type AgentChannel } from "../../src/channel/dial.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import { createChannelServer } from "../../src/channel/listen.ts"
import { bareDial, honest, purserError, silentStranger, startNode, type TestNode } from "./support.ts"
import { ended } from "../support/ended.ts"

const dial = ({ agent, port }: TestNode, signal = new AbortController().signal): Promise<AgentChannel> =>
  connectToNode({ host: "127.0.0.1", port, identity: agent, signal })

test("an agent and a node see each other's pins and the same exporter", async (t) => {
  const node = await startNode(t)
  await using channel = await dial(node)
  assert.deepEqual(await channel.reader.next(), { type: "hello" })
  const [session] = node.sessions
  assert.equal(channel.peerPin, node.node.pin)
  assert.deepEqual(channel.peerSpkiSha256, node.node.spkiSha256)
  assert.equal(session?.agentPin, node.agent.pin)
  assert.deepEqual(session?.agentSpkiSha256, node.agent.spkiSha256)
  assert.deepEqual(session?.exporter, channel.exporter)
  assert.equal(channel.exporter.length, 32)
  assert.equal(session?.remoteAddress, "127.0.0.1")
})

test("forty silent strangers do not keep the agent out, and the oldest are dropped first", async (t) => {
  const node = await startNode(t)
  const strangers = []
  for (let index = 0; index < 40; index++) strangers.push(await silentStranger(t, node.port))
  await node.rejections(24)
  await using channel = await dial(node)
  assert.deepEqual(await channel.reader.next(), { type: "hello" })
  assert.deepEqual(
    await node.rejections(25),
    Array.from({ length: 25 }, () => "dropped"),
  )
  for (const [index, stranger] of strangers.entries()) {
    if (index < 25) await ended(stranger)
    if (index >= 25) assert.equal(stranger.closed, false, `stranger ${index} is younger than the cap`)
  }
})

test("strangers who begin a handshake and stop do not keep the agent out", async (t) => {
  const node = await startNode(t, { limits: { pendingHandshakes: 2 } })
  for (let index = 0; index < 6; index++) {
    const stranger = await silentStranger(t, node.port)
    stranger.write(Buffer.from("160301020001", "hex"))
  }
  await using channel = await dial(node)
  assert.deepEqual(await channel.reader.next(), { type: "hello" })
})

test("a handshake has a time limit, which trickling bytes do not extend", async (t) => {
  const node = await startNode(t, { limits: { handshakeMs: 150 } })
  const stranger = await silentStranger(t, node.port)
  stranger.write(Buffer.from("1603010200010001fc0303", "hex"))
  const drip = setInterval(() => stranger.write("\0"), 10)
  t.after(() => clearInterval(drip))
  assert.deepEqual(await node.rejections(1), ["handshake-timeout"])
  await ended(stranger)
})

test("a client without TLS is turned away, and so is a port scan", async (t) => {
  const node = await startNode(t)
  const http = await silentStranger(t, node.port)
  http.write("GET / HTTP/1.1\r\n\r\n")
  await ended(http)
  const prober = await silentStranger(t, node.port)
  prober.destroy()
  assert.deepEqual(await node.rejections(2), ["handshake-failed", "handshake-failed"])
})

test("a fifth session is refused after its handshake, the four continue, and the next is admitted when one has ended", async (t) => {
  const node = await startNode(t)
  const four = []
  for (let index = 0; index < 4; index++) {
    const channel = await dial(node)
    await channel.reader.next()
    four.push(channel)
  }
  const fifth = await dial(node)
  await assert.rejects(fifth.reader.next(), purserError("ERR_UNREACHABLE", /before the first frame/))
  assert.deepEqual(node.rejected, ["too-many-sessions"])
  const [first, ...others] = four
  // The helper's default session ends with the next frame.
  for (const { socket } of others) assert.equal(socket.destroyed, false)
  await first?.[Symbol.asyncDispose]()
  if (node.sessions[0] !== undefined) await ended(node.sessions[0].socket)
  await using sixth = await dial(node)
  assert.deepEqual(await sixth.reader.next(), { type: "hello" })
  for (const channel of others) await channel[Symbol.asyncDispose]()
})

test("after a session's time limit its signal aborts and the connection is closed", async (t) => {
  const aborted = Promise.withResolvers<unknown>()
  const node = await startNode(t, {
    limits: { sessionMs: 100 },
    async onSession({ socket }, signal) {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason))
      // The connection of a session that ignores its signal is closed too.
      await ended(socket)
    },
  })
  const channel = await dial(node)
  await assert.rejects(channel.reader.next(), purserError("ERR_UNREACHABLE"))
  assert.ok(purserError("ERR_TIMEOUT", /session took longer than 100 ms/)(await aborted.promise))
})

test("the session's signal aborts when the agent disconnects", async (t) => {
  const ended = Promise.withResolvers<unknown>()
  const node = await startNode(t, {
    async onSession({ writer }, signal) {
      await writer.write({ type: "hello" })
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))
      ended.resolve(signal.reason)
    },
  })
  const channel = await dial(node)
  await channel.reader.next()
  channel.socket.destroy()
  assert.ok(purserError("ERR_UNREACHABLE", /connection was lost/)(await ended.promise))
})

test("frames written before the session's end arrive", async (t) => {
  const data = "x".repeat(40_000)
  const node = await startNode(t, {
    async onSession({ writer }) {
      for (let index = 0; index < 30; index++) await writer.write({ index, data })
    },
  })
  await using channel = await dial(node)
  for (let index = 0; index < 30; index++) assert.deepEqual(await channel.reader.next(), { index, data })
})

test("a failed session ends its connection with a line in the log, and the next one is served", async (t) => {
  let log = ""
  let failing = true
  const node = await startNode(t, {
    log: createLog({ write: (text) => (log += text) }),
    async onSession({ writer }) {
      if (failing) throw new Error("no luck")
      await writer.write({ type: "hello" })
    },
  })
  const first = await dial(node)
  await assert.rejects(first.reader.next(), purserError("ERR_UNREACHABLE"))
  assert.equal(log, "error: session with 127.0.0.1 failed: no luck\n")
  failing = false
  await using second = await dial(node)
  assert.deepEqual(await second.reader.next(), { type: "hello" })
})

test("every peer with a wrong pin is one line in the log", async (t) => {
  let log = ""
  const node = await startNode(t, { log: createLog({ write: (text) => (log += text) }) })
  await bareDial(node.port, honest(createIdentity()))
  await node.rejections(1)
  assert.equal(log, "warn: turned away 127.0.0.1: its pin is not the expected one reason=wrong-pin\n")
})

test("a peer outside the allow-list is dropped before TLS begins, and a listed one is served", async (t) => {
  const outside = await startNode(t, { allow: AllowList.parse(["192.0.2.0/24"]) })
  const socket = connect({ host: "127.0.0.1", port: outside.port })
  let received = 0
  socket.on("data", (part: Buffer) => (received += part.length))
  socket.on("error", () => {})
  socket.write(Buffer.from("160301020001", "hex"))
  await ended(socket)
  assert.equal(received, 0)
  assert.deepEqual(await outside.rejections(1), ["not-allowed"])

  const inside = await startNode(t, { allow: AllowList.parse(["127.0.0.0/8"]) })
  await using channel = await dial(inside)
  assert.deepEqual(await channel.reader.next(), { type: "hello" })
})

test("a peer that disconnects during the allow-list's lookup is not admitted afterwards", async (t) => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<string[]>()
  const allow = AllowList.parse(["home.example"], {
    resolve() {
      asked.resolve()
      return answer.promise
    },
  })
  const node = await startNode(t, { allow })
  const stranger = await silentStranger(t, node.port)
  await asked.promise
  stranger.destroy()
  assert.deepEqual(await node.rejections(1), ["handshake-failed"])
  answer.resolve(["127.0.0.1"])
  await using channel = await dial(node)
  assert.deepEqual(await channel.reader.next(), { type: "hello" })
})

test("takes over connections of an application's own server, even if their first bytes were read already", async (t) => {
  const node = await startNode(t)
  const own = createServer((socket) => {
    socket.once("data", (first) => {
      socket.pause()
      socket.unshift(first)
      node.handle(socket)
    })
  }).listen(0, "127.0.0.1")
  t.after(() => own.close())
  await once(own, "listening")
  const { port } = own.address() as AddressInfo
  await using channel = await dial({ ...node, port })
  assert.deepEqual(await channel.reader.next(), { type: "hello" })
})

test("closing aborts the sessions, drops pending handshakes and frees the port", async (t) => {
  const reasons: unknown[] = []
  const node = await startNode(t, {
    async onSession({ writer }, signal) {
      await writer.write({ type: "hello" })
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))
      reasons.push(signal.reason)
    },
  })
  const stranger = await silentStranger(t, node.port)
  const channel = await dial(node)
  await channel.reader.next()
  await node.close()
  assert.ok(purserError("ERR_UNREACHABLE", /closing/)(reasons[0]))
  await ended(stranger)
  await assert.rejects(channel.reader.next(), purserError("ERR_UNREACHABLE"))
  await assert.rejects(dial(node), purserError("ERR_UNREACHABLE", /ECONNREFUSED/))
})

test("a port in use is ERR_LISTEN with a hint", async (t) => {
  const node = await startNode(t)
  const server = createChannelServer({ identity: createIdentity(), agentPins: [], onSession: async () => {} })
  await assert.rejects(
    server.listen({ host: "127.0.0.1", port: node.port }),
    purserError("ERR_LISTEN", /EADDRINUSE/),
  )
  assert.equal(server.address, null)
  await server.close()
})

test("listens on IPv6 and IPv4 by default, and reports the address", async (t) => {
  const agent = createIdentity()
  await using server = createChannelServer({
    identity: createIdentity(),
    agentPins: [agent.pin],
    onSession: ({ writer, remoteAddress }) => writer.write({ remoteAddress }),
  })
  const { port } = await server.listen({ host: "::", port: 0 })
  assert.equal(server.address?.port, port)
  const signal = t.signal
  await using channel = await connectToNode({ host: "127.0.0.1", port, identity: agent, signal })
  const { remoteAddress } = await channel.reader.next()
  assert.match(String(remoteAddress), /127\.0\.0\.1$/)
})

test("a peer that breaks the frame rules ends only its own session", async (t) => {
  const failures: unknown[] = []
  const node = await startNode(t, {
    async onSession({ reader, writer }, signal) {
      await writer.write({ type: "hello" })
      try {
        await reader.next({ signal })
        await writer.write({ type: "thanks" })
      } catch (error) {
        failures.push(error)
        throw error
      }
    },
  })
  await using good = await dial(node)
  await good.reader.next()
  const attacks: [string | Buffer, string][] = [
    ["x".repeat(70_000), "ERR_LIMIT"],
    [`${"[".repeat(100)}\n`, "ERR_LIMIT"],
    ["not json\n", "ERR_PROTOCOL"],
    [Buffer.from([0xff, 0x0a]), "ERR_PROTOCOL"],
  ]
  for (const [bytes, code] of attacks) {
    const socket = tls.connect({ host: "127.0.0.1", port: node.port, ...honest(node.agent) })
    socket.on("error", () => {})
    socket.resume()
    socket.write(bytes)
    await ended(socket)
    assert.ok(purserError(code)(failures.at(-1)))
  }
  assert.equal(failures.length, attacks.length)
  await good.writer.write({ type: "anything" })
  assert.deepEqual(await good.reader.next(), { type: "thanks" })
})
