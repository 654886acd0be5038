import assert from "node:assert/strict"
import { createPrivateKey, generateKeyPairSync } from "node:crypto"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import * as tls from "node:tls"
import { inspectPeer, type Peer, type Rejection } from "../../src/channel/peer-check.ts"
import { createIdentity, type Identity } from "../../src/channel/identity.ts"
import { SpkiCache } from "../../src/channel/spki-cache.ts"
import { bareDial, certificateFor, honest, startNode, type TestNode } from "./support.ts"

/** Attacks a node with bare node:tls and an immediate hello, and expects a rejection without a byte. */
async function turnedAway(node: TestNode, options: tls.ConnectionOptions, reason: Rejection): Promise<void> {
  const received = await bareDial(node.port, options)
  assert.equal(received, "", "not one byte is written to a stranger")
  assert.deepEqual(await node.rejections(1), [reason])
  assert.equal(node.sessions.length, 0)
}

test("an honest agent written with bare node:tls is admitted", async (t) => {
  const node = await startNode(t)
  const socket = tls.connect({ host: "127.0.0.1", port: node.port, ...honest(node.agent) })
  t.after(() => socket.destroy())
  socket.on("error", () => {})
  const [first] = (await once(socket, "data")) as [Buffer]
  assert.equal(first.toString(), '{"type":"hello"}\n')
  assert.equal(node.sessions.length, 1)
  assert.deepEqual(node.rejected, [])
})

test("a node turns away a certificate with another pin", async (t) => {
  await turnedAway(await startNode(t), honest(createIdentity()), "wrong-pin")
})

test("a node turns away a peer without a certificate", async (t) => {
  const { key: _key, cert: _cert, ...options } = honest(createIdentity())
  await turnedAway(await startNode(t), options, "no-certificate")
})

test("a node turns away the pinned agent when it does not ask for purser/1", async (t) => {
  const node = await startNode(t)
  const { ALPNProtocols: _protocols, ...options } = honest(node.agent)
  await turnedAway(node, options, "no-alpn")
})

test("a node turns away the pinned agent when it asks for another protocol", async (t) => {
  const node = await startNode(t)
  await turnedAway(node, { ...honest(node.agent), ALPNProtocols: ["h2", "purser/2"] }, "handshake-failed")
})

test("a node turns away TLS 1.2", async (t) => {
  const node = await startNode(t)
  await turnedAway(
    node,
    { ...honest(node.agent), minVersion: "TLSv1.2", maxVersion: "TLSv1.2" },
    "handshake-failed",
  )
})

test("a node turns away a key that is not P-256", async (t) => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" })
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  await turnedAway(
    await startNode(t),
    { ...honest(createIdentity()), key, cert: certificateFor(privateKey) },
    "wrong-key-type",
  )
})

test("a certificate copied from the agent is useless without its key", async (t) => {
  const node = await startNode(t)
  const { keyPem } = createIdentity()
  // OpenSSL does not even load such a pair, so an attacker can at best use their own key under the copied names.
  assert.throws(
    () => tls.createSecureContext({ key: keyPem, cert: node.agent.certificatePem }),
    /key values mismatch/,
  )
  await turnedAway(
    node,
    { ...honest(node.agent), key: keyPem, cert: certificateFor(createPrivateKey(keyPem)) },
    "wrong-pin",
  )
})

test("both of an enrolment's pins are admitted, and a third is not", async (t) => {
  const [now, next, other] = [createIdentity(), createIdentity(), createIdentity()]
  const node = await startNode(t, { agentPins: [now.pin, next.pin], onSession: async () => {} })
  for (const identity of [now, next, other]) await bareDial(node.port, honest(identity))
  assert.deepEqual(
    node.sessions.map(({ agentPin }) => agentPin),
    [now.pin, next.pin],
  )
  assert.deepEqual(await node.rejections(1), ["wrong-pin"])
})

test("an expired or not yet valid certificate with the right pin is admitted", async (t) => {
  for (const [from, to] of [
    ["1990-01-01", "1990-01-02"],
    ["2090-01-01", "2090-01-02"],
  ] as const) {
    const agent = createIdentity()
    const cert = certificateFor(createPrivateKey(agent.keyPem), new Date(from), new Date(to))
    const node = await startNode(t, { agentPins: [agent.pin], onSession: async () => {} })
    await bareDial(node.port, { ...honest(agent), cert })
    assert.equal(node.sessions[0]?.agentPin, agent.pin)
  }
})

test("a node does not resume a session, and a kept ticket leads to a full handshake", async (t) => {
  const node = await startNode(t)
  const { ticket } = await dialForTicket(t, node.port, node.agent)
  assert.ok(ticket.length > 0, "tickets are issued in spite of SSL_OP_NO_TICKET")
  const again = await dialForTicket(t, node.port, node.agent, ticket)
  assert.equal(again.isReused, false)
  assert.equal(node.sessions.length, 2)
  assert.deepEqual(node.rejected, [])
})

interface Dialled {
  readonly ticket: Buffer
  readonly isReused: boolean
  /** The peer check's result at the dialling end. */
  readonly verdict: Peer | Rejection | undefined
}

/** Dials and waits for the peer's first bytes and, unless it resumes, for a session ticket. */
async function dialForTicket(
  t: TestContext,
  port: number,
  agent: Identity,
  session?: Buffer,
): Promise<Dialled> {
  const socket = tls.connect({ host: "127.0.0.1", port, ...honest(agent), ...(session && { session }) })
  t.after(() => socket.destroy())
  socket.on("error", () => {})
  let verdict: Peer | Rejection | undefined
  socket.once("secureConnect", () => (verdict = inspectPeer(socket, new SpkiCache(1))))
  const ticketed = session === undefined ? once(socket, "session") : Promise.resolve([Buffer.alloc(0)])
  await once(socket, "data")
  const [ticket] = (await ticketed) as [Buffer]
  return { ticket, isReused: socket.isSessionReused(), verdict }
}

/** Starts a server with weak TLS settings and our peer check in its handler. */
async function carelessServer(t: TestContext, identity: Identity, options: tls.TlsOptions) {
  const verdicts: (Peer | Rejection)[] = []
  const server = tls.createServer(
    {
      key: identity.keyPem,
      cert: identity.certificatePem,
      ALPNProtocols: ["purser/1"],
      requestCert: true,
      rejectUnauthorized: false,
      ...options,
    },
    (socket) => {
      socket.on("error", () => {})
      verdicts.push(inspectPeer(socket, new SpkiCache(1)))
      socket.write("x")
    },
  )
  t.after(() => server.close())
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { port: (server.address() as AddressInfo).port, verdicts }
}

test("if a server resumes sessions, the peer check at both ends refuses them", async (t) => {
  const [node, agent] = [createIdentity(), createIdentity()]
  const { port, verdicts } = await carelessServer(t, node, { minVersion: "TLSv1.3" })
  const first = await dialForTicket(t, port, agent)
  const second = await dialForTicket(t, port, agent, first.ticket)
  assert.equal((verdicts[0] as Peer).pin, agent.pin)
  assert.equal((first.verdict as Peer).pin, node.pin)
  assert.equal(second.isReused, true)
  assert.deepEqual([verdicts[1], second.verdict], ["resumed", "resumed"])
})

test("if a server accepts TLS 1.2, the peer check refuses it", async (t) => {
  const [node, agent] = [createIdentity(), createIdentity()]
  const { port, verdicts } = await carelessServer(t, node, { maxVersion: "TLSv1.2" })
  const socket = tls.connect({ host: "127.0.0.1", port, ...honest(agent), minVersion: "TLSv1.2" })
  t.after(() => socket.destroy())
  await once(socket, "data")
  assert.deepEqual(verdicts, ["not-tls-1.3"])
})
