import assert from "node:assert/strict"
import { getEventListeners } from "node:events"
import { test } from "node:test"
import { lookUpAddresses, lookUpService } from "../../../src/apps/discovery/dns.ts"
import { dnsServer } from "../../support/dns-server.ts"

const signal = new AbortController().signal

test("a name gives its A and AAAA addresses, with the given port", async (t) => {
  const { address } = await dnsServer(t, {
    "tasks.web": { A: ["10.0.1.5", "10.0.1.6"], AAAA: ["fd00::1:5"] },
    "four.web": { A: ["10.0.1.5"] },
    "six.web": { AAAA: ["fd00::1"] },
    "none.web": {},
  })
  const look = async (name: string): Promise<string[]> =>
    (await lookUpAddresses(name, 1234, { servers: [address], signal })).map(
      ({ host, port }) => `${host} ${port}`,
    )
  assert.deepEqual((await look("tasks.web")).toSorted(), ["10.0.1.5 1234", "10.0.1.6 1234", "fd00::1:5 1234"])
  assert.deepEqual(await look("four.web"), ["10.0.1.5 1234"])
  assert.deepEqual(await look("six.web"), ["fd00::1 1234"])
  assert.deepEqual(await look("none.web"), [])
})

test("the system's resolver is asked when no server is named", async () => {
  const found = await lookUpAddresses("localhost", 7, { signal })
  assert.ok(found.some(({ host, port }) => (host === "127.0.0.1" || host === "::1") && port === 7))
})

test("an SRV record gives targets and ports, the best first", async (t) => {
  const { address } = await dnsServer(t, {
    "_purser._tcp.web.example": {
      SRV: [
        { priority: 20, weight: 0, port: 3, target: "late.example" },
        { priority: 10, weight: 1, port: 2, target: "second.example" },
        { priority: 10, weight: 9, port: 1, target: "first.example" },
      ],
    },
  })
  assert.deepEqual(await lookUpService("_purser._tcp.web.example", { servers: [address], signal }), [
    { host: "first.example", port: 1 },
    { host: "second.example", port: 2 },
    { host: "late.example", port: 3 },
  ])
})

test("an SRV record of a service that is not offered, or without a port, gives no address", async (t) => {
  const { address } = await dnsServer(t, {
    "_a._tcp.example": { SRV: [{ priority: 0, weight: 0, port: 5, target: "." }] },
    "_b._tcp.example": { SRV: [{ priority: 0, weight: 0, port: 0, target: "b.example" }] },
    "_c._tcp.example": {},
  })
  for (const name of ["_a._tcp.example", "_b._tcp.example", "_c._tcp.example"])
    assert.deepEqual(await lookUpService(name, { servers: [address], signal }), [], name)
})

test("an unknown name, and a failing server, are failures and not empty answers", async (t) => {
  const { address } = await dnsServer(t, { "broken.web": { behaviour: "fail" } })
  const options = { servers: [address], signal }
  for (const [name, code] of [
    ["absent.web", "ENOTFOUND"],
    ["broken.web", "ESERVFAIL"],
  ] as const) {
    const expected = { code: "ERR_DISCOVERY", message: `looking up ${name} failed: ${code}` }
    await assert.rejects(lookUpAddresses(name, 1, options), expected)
    await assert.rejects(lookUpService(name, options), expected)
  }
  await assert.rejects(lookUpAddresses("absent.invalid", 1, { signal }), {
    code: "ERR_DISCOVERY",
    message: /^looking up absent\.invalid failed: E/,
  })
})

test("a lookup ends with its signal although the server does not answer", async (t) => {
  const server = await dnsServer(t, { "quiet.web": { behaviour: "silent" } })
  for (const look of [
    (options: { servers: string[]; signal: AbortSignal }) => lookUpAddresses("quiet.web", 1, options),
    (options: { servers: string[]; signal: AbortSignal }) => lookUpService("quiet.web", options),
  ]) {
    const ends = new AbortController()
    const asked = server.silence()
    const looking = look({ servers: [server.address], signal: ends.signal })
    await asked
    const aborted = performance.now()
    ends.abort()
    await assert.rejects(looking, { code: "ERR_DISCOVERY" })
    assert.ok(performance.now() - aborted < 1900, "sooner than the resolver's own time limit")
  }
})

test("a lookup that begins after its signal sends no query", async () => {
  const ended = AbortSignal.abort(new Error("ended"))
  await assert.rejects(lookUpAddresses("localhost", 1, { signal: ended }), /ended/)
  await assert.rejects(lookUpService("localhost", { signal: ended }), /ended/)
})

test("aborted lookups leave nothing behind", async (t) => {
  const { address } = await dnsServer(t, { "tasks.web": { A: ["10.0.1.5"] } })
  const ends = new AbortController()
  for (let times = 0; times < 3; times++) {
    await lookUpAddresses("tasks.web", 1, { servers: [address], signal: ends.signal })
    await lookUpAddresses("localhost", 1, { signal: ends.signal })
    await lookUpService("tasks.web", { servers: [address], signal: ends.signal })
  }
  assert.equal(getEventListeners(ends.signal, "abort").length, 0)
})
