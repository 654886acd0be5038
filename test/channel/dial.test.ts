import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type AddressInfo, type Server } from "node:net"
import { test, type TestContext } from "node:test"
import * as tls from "node:tls"
import { connectToNode, type AgentChannel, type DialOptions } from "../../src/channel/dial.ts"
import { createIdentity, type Identity } from "../../src/channel/identity.ts"
import { resolveLimits } from "../../src/channel/limits.ts"
import { waitFor } from "../support/wait.ts"
import { purserError, startNode } from "./support.ts"
import { ended } from "../support/ended.ts"

const agent = createIdentity()

const dial = (port: number, options: Partial<DialOptions> = {}): Promise<AgentChannel> =>
  connectToNode({
    host: "127.0.0.1",
    port,
    identity: agent,
    signal: new AbortController().signal,
    ...options,
  })

async function portOf(t: TestContext, server: Server): Promise<number> {
  t.after(() => server.close())
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return (server.address() as AddressInfo).port
}

function nodeOptions(identity: Identity, change: tls.TlsOptions = {}): tls.TlsOptions {
  return {
    key: identity.keyPem,
    cert: identity.certificatePem,
    ALPNProtocols: ["purser/1"],
    requestCert: true,
    rejectUnauthorized: false,
    ...change,
  }
}

/** Starts a bare node:tls server that collects what it receives. */
async function stranger(
  t: TestContext,
  options: tls.TlsOptions,
): Promise<{ port: number; received: () => string; sockets: tls.TLSSocket[] }> {
  let received = ""
  const sockets: tls.TLSSocket[] = []
  const server = tls.createServer(options, (socket) => {
    sockets.push(socket)
    socket.on("error", () => {})
    socket.on("data", (part: Buffer) => (received += part.toString()))
  })
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  return { port: await portOf(t, server), received: () => received, sockets }
}

test("an untrusted node gets not one byte", async (t) => {
  const node = createIdentity()
  const { port, received, sockets } = await stranger(t, nodeOptions(node))
  const asked: string[] = []
  const trust = (pin: string): boolean => {
    asked.push(pin)
    return false
  }
  await assert.rejects(dial(port, { trust }), purserError("ERR_UNTRUSTED", /not trusted/))
  assert.deepEqual(asked, [node.pin])
  const [socket] = sockets
  if (socket !== undefined) await ended(socket)
  assert.equal(received(), "")
})

test("a node with a trusted pin is accepted", async (t) => {
  const node = createIdentity()
  const { port } = await stranger(t, nodeOptions(node))
  await using channel = await dial(port, { trust: (pin) => pin === node.pin })
  assert.equal(channel.peerPin, node.pin)
  channel.socket.destroy()
})

test("sends no frame by itself, and no server name", async (t) => {
  const server = await stranger(t, nodeOptions(createIdentity()))
  const channel = await dial(server.port, { host: "localhost" })
  const socket = await waitFor("the server's side", () => server.sockets[0])
  assert.equal((socket as tls.TLSSocket & { servername: unknown }).servername, false)
  await channel[Symbol.asyncDispose]()
  assert.equal(server.received(), "")
})

test("a server without purser/1 is refused", async (t) => {
  const { ALPNProtocols: _protocols, ...options } = nodeOptions(createIdentity())
  const { port } = await stranger(t, options)
  await assert.rejects(dial(port), purserError("ERR_PROTOCOL", /does not ask for purser\/1/))
  const other = await stranger(t, { ...options, ALPNProtocols: ["h2"] })
  await assert.rejects(dial(other.port), purserError("ERR_PROTOCOL", /TLS handshake/))
})

test("a server with only TLS 1.2 is refused", async (t) => {
  const { port } = await stranger(
    t,
    nodeOptions(createIdentity(), { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }),
  )
  await assert.rejects(dial(port), purserError("ERR_PROTOCOL", /TLS handshake/))
})

test("a web server without TLS is refused", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => {
      socket.on("error", () => {})
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")
    }),
  )
  await assert.rejects(dial(port), purserError("ERR_PROTOCOL", /TLS handshake/))
})

test("a closed port, an unknown name and a closed connection are ERR_UNREACHABLE", async (t) => {
  const server = createServer((socket) => socket.destroy())
  const port = await portOf(t, server)
  await assert.rejects(
    dial(port),
    purserError("ERR_UNREACHABLE", new RegExp(`^127.0.0.1:${port} cannot be reached: .`)),
  )
  await server[Symbol.asyncDispose]()
  await assert.rejects(dial(port), purserError("ERR_UNREACHABLE", /ECONNREFUSED/))
  await assert.rejects(dial(port, { host: "localhost" }), purserError("ERR_UNREACHABLE", /ECONNREFUSED/))
  await assert.rejects(dial(port, { host: "name.invalid" }), purserError("ERR_UNREACHABLE", /name\.invalid/))
})

test("a silent or trickling server costs no more than the handshake's time limit", async (t) => {
  const limits = resolveLimits({ handshakeMs: 150 })
  const port = await portOf(
    t,
    createServer((socket) => {
      socket.on("error", () => {})
      socket.write(Buffer.from("1603030400020003fc0303", "hex"))
      const drip = setInterval(() => socket.write("\0"), 10)
      socket.on("close", () => clearInterval(drip))
    }),
  )
  await assert.rejects(dial(port, { limits }), purserError("ERR_TIMEOUT", /handshake within 150 ms/))
})

test("the signal's reason ends it, before and while it connects", async (t) => {
  const closed = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.on("close", () => closed.resolve())
    socket.resume()
  })
  const port = await portOf(t, server)
  const controller = new AbortController()
  const reason = new Error("enough")
  server.once("connection", () => controller.abort(reason))
  await assert.rejects(dial(port, { signal: controller.signal }), reason)
  await closed.promise
  await assert.rejects(dial(port, { signal: controller.signal }), reason)
})

test("negotiates the post-quantum hybrid if both have it, and reports the group", async (t) => {
  const hybrid = await stranger(t, nodeOptions(createIdentity(), { ecdhCurve: "X25519MLKEM768:X25519" }))
  const classical = await stranger(t, nodeOptions(createIdentity(), { ecdhCurve: "X25519" }))
  const groups: string[] = []
  for (const { port } of [hybrid, classical]) {
    const channel = await dial(port)
    groups.push(channel.group)
    channel.socket.destroy()
  }
  assert.deepEqual(groups, ["X25519MLKEM768", "X25519"])
})

test("with requirePq it offers only the hybrid", async (t) => {
  const hybrid = await startNode(t, { agentPins: [agent.pin] })
  const channel = await dial(hybrid.port, { requirePq: true })
  assert.equal(channel.group, "X25519MLKEM768")
  channel.socket.destroy()
  const classical = await stranger(t, nodeOptions(createIdentity(), { ecdhCurve: "X25519" }))
  await assert.rejects(
    dial(classical.port, { requirePq: true }),
    purserError("ERR_UNTRUSTED", /post-quantum/),
  )
})

test("a rejection by the node shows at the first frame, not before", async (t) => {
  const node = await startNode(t, { agentPins: [createIdentity().pin] })
  const channel = await dial(node.port)
  await assert.rejects(channel.reader.next(), (error) => {
    assert.ok(purserError("ERR_UNREACHABLE", /before the first frame/)(error))
    assert.match(String((error as { hint?: string }).hint), /another pin/)
    return true
  })
})

test("disposing sends what was written before it closes", async (t) => {
  const server = await stranger(t, nodeOptions(createIdentity()))
  {
    await using channel = await dial(server.port)
    await channel.writer.write({ type: "refused" })
  }
  const [socket] = server.sockets
  if (socket !== undefined) await ended(socket)
  assert.equal(server.received(), '{"type":"refused"}\n')
})

test("disposing does not wait forever for a peer that keeps its side open", async (t) => {
  const server = await stranger(t, nodeOptions(createIdentity(), { allowHalfOpen: true } as tls.TlsOptions))
  const channel = await dial(server.port)
  await channel[Symbol.asyncDispose]()
  assert.ok(channel.socket.destroyed)
})
