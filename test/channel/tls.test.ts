import assert from "node:assert/strict"
import { test } from "node:test"
import { createSecureContext } from "node:tls"
import { connectToNode } from "../../src/channel/dial.ts"
import { exporterOf, keyExchangeGroups, negotiatedGroup } from "../../src/channel/tls.ts"
import { purserError, startNode } from "./support.ts"

test("offers the post-quantum hybrid first, and alone when it is required", () => {
  assert.equal(keyExchangeGroups(), "X25519MLKEM768:X25519")
  assert.equal(keyExchangeGroups(true), "X25519MLKEM768")
})

test("without the hybrid in OpenSSL, offers only X25519, and throws if the hybrid is required", () => {
  // An unknown group throws, as the hybrid does with an older OpenSSL.
  assert.throws(() => createSecureContext({ ecdhCurve: "X25519MLKEM9999:X25519" }))
  const lacksHybrid = (group: string): boolean => group !== "X25519MLKEM768"
  assert.equal(keyExchangeGroups(false, lacksHybrid), "X25519")
  assert.throws(() => keyExchangeGroups(true, lacksHybrid), purserError("ERR_CONFIG", /post-quantum/))
})

test("a group without a name is the hybrid, as in the first releases of Node.js 24", () => {
  const says = (info: object | null) => ({ getEphemeralKeyInfo: () => info as never })
  assert.equal(negotiatedGroup(says({})), "X25519MLKEM768")
  assert.equal(negotiatedGroup(says({ type: "ECDH", name: "X25519", size: 253 })), "X25519")
  assert.throws(() => negotiatedGroup(says(null)), TypeError)
})

test("every connection has its own exporter, which does not change between calls", async (t) => {
  const node = await startNode(t)
  const exporters: string[] = []
  for (let index = 0; index < 3; index++) {
    const channel = await connectToNode({
      host: "127.0.0.1",
      port: node.port,
      identity: node.agent,
      signal: t.signal,
    })
    assert.deepEqual(exporterOf(channel.socket), channel.exporter)
    exporters.push(channel.exporter.toString("hex"))
    channel.socket.destroy()
  }
  assert.equal(new Set(exporters).size, 3)
})

test("Node.js throws for an empty string as an exporter's context", async (t) => {
  const node = await startNode(t)
  const { socket } = await connectToNode({
    host: "127.0.0.1",
    port: node.port,
    identity: node.agent,
    signal: t.signal,
  })
  assert.throws(() => socket.exportKeyingMaterial(32, "EXPORTER-x", "" as unknown as Buffer), {
    code: "ERR_INVALID_ARG_TYPE",
  })
  socket.destroy()
})
