import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { test } from "node:test"
import * as tls from "node:tls"
import { connectToNode } from "../../src/channel/dial.ts"
import { createToken } from "../../src/channel/enrolment.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import { parseHello } from "../../src/channel/messages.ts"
import { proofOf, verifyProof } from "../../src/channel/proof.ts"
import { honest, startNode } from "./support.ts"

test("a relay in the middle fails, even if the node forgets to check the agent", async (t) => {
  const token = createToken()
  const app = "web"
  const agent = createIdentity()
  const relay = createIdentity()

  // The node admits the relay, as if it had not checked the pin, and proves its token to it.
  const node = await startNode(t, {
    agentPins: [relay.pin],
    async onSession({ exporter, agentSpkiSha256, writer, reader }, signal) {
      const { spkiSha256: nodeSpkiSha256 } = node.node
      const proof = proofOf({ token, exporter, nodeSpkiSha256, agentSpkiSha256, app }).toString("base64url")
      await writer.write({ type: "hello", protocol: "purser/1", app, node: "victim", version: "1", proof })
      await reader.next({ signal })
    },
  })

  // The relay terminates TLS on both sides with its own certificate, and passes on every byte unchanged.
  const server = tls
    .createServer(
      {
        key: relay.keyPem,
        cert: relay.certificatePem,
        ALPNProtocols: ["purser/1"],
        requestCert: true,
        rejectUnauthorized: false,
      },
      (inbound) => {
        const outbound = tls.connect({ host: "127.0.0.1", port: node.port, ...honest(relay) })
        for (const socket of [inbound, outbound]) socket.on("error", () => {})
        inbound.pipe(outbound).pipe(inbound)
        t.after(() => outbound.destroy())
      },
    )
    .listen(0, "127.0.0.1")
  t.after(() => server.close())
  await once(server, "listening")

  const { port } = server.address() as AddressInfo
  const channel = await connectToNode({ host: "127.0.0.1", port, identity: agent, signal: t.signal })
  t.after(() => channel.socket.destroy())
  const hello = parseHello(await channel.reader.next())
  assert.equal(hello.node, "victim", "the relay did reach the node")

  const agentSees = {
    token,
    exporter: channel.exporter,
    nodeSpkiSha256: channel.peerSpkiSha256,
    agentSpkiSha256: agent.spkiSha256,
    app,
  }
  assert.equal(verifyProof(hello.proof, agentSees), false)

  // Each of the three bindings alone is enough: the proof fails even if only one value differs from the node's.
  const nodeSaw = {
    token,
    exporter: node.sessions[0]?.exporter ?? Buffer.alloc(0),
    nodeSpkiSha256: node.node.spkiSha256,
    agentSpkiSha256: relay.spkiSha256,
    app,
  }
  assert.equal(verifyProof(hello.proof, nodeSaw), true)
  for (const part of ["exporter", "nodeSpkiSha256", "agentSpkiSha256"] as const) {
    assert.equal(verifyProof(hello.proof, { ...nodeSaw, [part]: agentSees[part] }), false, part)
  }
})
