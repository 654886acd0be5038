import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import { formatAddress, type Address } from "../../../src/apps/discovery/address.ts"
import { createDiscovery } from "../../../src/apps/discovery/discovery.ts"
import type { NodeSpec } from "../../../src/apps/discovery/kinds.ts"
import { dnsServer } from "../../support/dns-server.ts"
import { testLog } from "../../support/pair.ts"

const signal = new AbortController().signal
const written = (found: readonly Address[]): string[] => found.map(formatAddress)

/** Starts a server that listens until the test ends. */
async function urlOf(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A Flux API that answers with the locations in `ips`, or with an error if there are none. */
async function fluxApi(t: TestContext): Promise<{ spec: NodeSpec; places: { ips: string[] } }> {
  const places = { ips: ["8.8.4.4:16127"] }
  const server = createServer((_, response) => {
    if (places.ips.length === 0) response.statusCode = 500
    response.end(JSON.stringify({ status: "success", data: places.ips.map((ip) => ({ ip })) }))
  })
  const api = await urlOf(t, server)
  return { spec: { kind: "flux", app: "web", port: 7, api }, places }
}

test("an app's nodes are those of every entry, each once", async (t) => {
  const { address } = await dnsServer(t, {
    "tasks.web": { A: ["10.0.1.5", "10.0.1.6"] },
    "_p._tcp.web": { SRV: [{ priority: 0, weight: 0, port: 8, target: "host.example" }] },
  })
  const flux = await fluxApi(t)
  const discovery = createDiscovery(
    [
      { kind: "address", host: "10.0.1.5", port: 7 },
      { kind: "address", host: "10.0.1.5", port: 8 },
      { kind: "dns", name: "tasks.web", port: 7 },
      { kind: "srv", name: "_p._tcp.web" },
      flux.spec,
    ],
    { log: testLog().log, dnsServers: [address] },
  )
  assert.deepEqual(written(await discovery.look(signal)), [
    "10.0.1.5:7",
    "10.0.1.5:8",
    "10.0.1.6:7",
    "host.example:8",
    "8.8.4.4:7",
  ])
})

test("if a lookup fails, its last good result stays, with a warning, and the other entries continue", async (t) => {
  const flux = await fluxApi(t)
  const server = await dnsServer(t, { "tasks.web": { A: ["10.0.1.5"] } })
  const said = testLog()
  const discovery = createDiscovery([flux.spec, { kind: "dns", name: "tasks.web", port: 7 }], {
    log: said.log,
    dnsServers: [server.address],
  })
  assert.deepEqual(written(await discovery.look(signal)), ["8.8.4.4:7", "10.0.1.5:7"])
  assert.equal(said.text(), "")

  flux.places.ips = []
  server.zone["tasks.web"] = { A: ["10.0.1.6"] }
  assert.deepEqual(written(await discovery.look(signal)), ["8.8.4.4:7", "10.0.1.6:7"])
  assert.match(
    said.text(),
    /^warn: asking http.* failed: the status is 500; keeping 1 addresses from the last lookup\n$/,
  )

  flux.places.ips = ["9.9.9.9"]
  delete server.zone["tasks.web"]
  assert.deepEqual(written(await discovery.look(signal)), ["9.9.9.9:7", "10.0.1.6:7"])
  assert.match(said.lines.at(-1) ?? "", /looking up tasks\.web failed: ENOTFOUND; keeping 1 addresses/)
})

test("an entry that has never answered gives nothing, with a warning", async (t) => {
  const server = await dnsServer(t, {})
  const said = testLog()
  const discovery = createDiscovery([{ kind: "srv", name: "_p._tcp.web" }], {
    log: said.log,
    dnsServers: [server.address],
  })
  assert.deepEqual(await discovery.look(signal), [])
  assert.match(said.text(), /keeping 0 addresses from the last lookup/)
})

test("the last good result outlives a replaced discovery", async (t) => {
  const flux = await fluxApi(t)
  const known = new Map<string, readonly Address[]>()
  const log = testLog().log
  await createDiscovery([flux.spec], { log, known }).look(signal)
  flux.places.ips = []
  assert.deepEqual(written(await createDiscovery([{ ...flux.spec }], { log, known }).look(signal)), [
    "8.8.4.4:7",
  ])
  assert.deepEqual(
    await createDiscovery([{ ...flux.spec, port: 8 } as NodeSpec], { log, known }).look(signal),
    [],
  )
})

test("a hanging API delays a lookup no longer than its limit", async (t) => {
  const api = await urlOf(
    t,
    createServer(() => {}),
  )
  const said = testLog()
  const discovery = createDiscovery(
    [
      { kind: "flux", app: "web", port: 7, api },
      { kind: "address", host: "10.0.1.5", port: 7 },
    ],
    { log: said.log, httpLimitMs: 100 },
  )
  assert.deepEqual(written(await discovery.look(signal)), ["10.0.1.5:7"])
  assert.match(said.text(), /no complete answer within 100 ms; keeping 0 addresses/)
})

test("a lookup rejects with its signal's reason, without a warning", async (t) => {
  const server = await dnsServer(t, { "quiet.web": { behaviour: "silent" } })
  const said = testLog()
  const discovery = createDiscovery([{ kind: "dns", name: "quiet.web", port: 7 }], {
    log: said.log,
    dnsServers: [server.address],
  })
  const ends = new AbortController()
  const asked = server.silence()
  const looking = discovery.look(ends.signal)
  await asked
  const reason = new Error("that is all")
  ends.abort(reason)
  await assert.rejects(looking, reason)
  assert.equal(said.text(), "")
})

test("a slow entry delays none of the others", async (t) => {
  const api = await urlOf(
    t,
    createServer(() => {}),
  )
  const stop = new AbortController()
  const first = Promise.withResolvers<readonly Address[]>()
  const looking = createDiscovery(
    [
      { kind: "flux", app: "web", port: 7, api },
      { kind: "address", host: "192.0.2.1", port: 7 },
    ],
    { log: testLog().log },
  ).look(stop.signal, first.resolve)
  assert.deepEqual(written(await first.promise), ["192.0.2.1:7"])
  stop.abort()
  await assert.rejects(looking)
})
