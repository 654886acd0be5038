import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import { isIP, type AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import fc from "fast-check"
import { isPublicUnicast, lookUpFlux, readLocations } from "../../../src/apps/discovery/flux.ts"

const numRuns = process.env["SLOW"] === undefined ? 500 : 20_000
const signal = new AbortController().signal

/** A Flux API on the loopback. */
async function api(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const success = (...ips: unknown[]): string =>
  JSON.stringify({ status: "success", data: ips.map((ip) => ({ ip, name: "web", hash: "x" })) })

/** Looks an app up at a base URL. */
const ask = (base: string, more: { timeLimitMs?: number; app?: string } = {}) =>
  lookUpFlux({ app: "web", port: 39_898, api: base, signal, ...more })

test("looks up the app's locations, and uses our port instead of FluxOS's own", async (t) => {
  const asked: unknown[] = []
  const base = await api(t, (request, response) => {
    asked.push(request.method, request.url)
    response.end(success("8.8.4.4:16127", "9.9.9.9", "[2620:fe::fe]:16137", "2620:fe::9"))
  })
  const expected = ["8.8.4.4", "9.9.9.9", "2620:fe::fe", "2620:fe::9"].map((host) => ({ host, port: 39_898 }))
  assert.deepEqual(await ask(base), expected)
  assert.deepEqual(await ask(`${base}/v1//`, { app: "a/../b" }), expected)
  assert.deepEqual(asked, ["GET", "/apps/location/web", "GET", "/v1/apps/location/a%2F..%2Fb"])
})

const notPublic = [
  "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.1.2.3 169.254.169.254 172.16.0.1 172.31.255.255",
  "192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.7 224.0.0.1 239.1.1.1 240.0.0.1",
  "255.255.255.255 :: ::1 fe80::1 fc00::1 fd12::1 ff02::1 2001:db8::1 2002:a00:1::1 2001::1 3fff::1 100::1",
  "::ffff:8.8.4.4 ::ffff:127.0.0.1 64:ff9b::8.8.4.4",
].flatMap((line) => line.split(" "))

test("addresses that are not public unicast are dropped, and the others stay", async (t) => {
  for (const ip of notPublic) {
    assert.ok(isIP(ip) > 0, ip)
    assert.equal(isPublicUnicast(ip), false, ip)
    const written = ip.includes(":") ? `[${ip}]:16127` : `${ip}:16127`
    for (const text of [ip, written])
      assert.deepEqual(readLocations(success(text, "8.8.4.4:1"), 7), [{ host: "8.8.4.4", port: 7 }], text)
  }
  const base = await api(t, (_, response) => response.end(success(...notPublic)))
  assert.deepEqual(await ask(base), [])
})

test("addresses next to the special ones are public", () => {
  for (const ip of [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
  ])
    assert.ok(isPublicUnicast(ip), ip)
  for (const ip of ["172.15.255.255", "172.32.0.0", "192.167.255.255", "198.20.0.0", "223.255.255.255"])
    assert.ok(isPublicUnicast(ip), ip)
  for (const ip of ["2620:fe::fe", "2606:4700::1111", "2a00::1", "2001:4860:4860::8888"])
    assert.ok(isPublicUnicast(ip), ip)
})

const noPlaces = [
  "|x|8.8.4|8.8.4.4:|8.8.4.4:a|8.8.4.4:1:2|8.8.4.4/24| 8.8.4.4|8.8.4.4\n|08.8.4.4|0x08080404|134743044",
  "example.org:1|[8.8.4.4|8.8.4.4]:1:1|2620:fe::fe%eth0|[2620:fe::fe%1]:5|\u001b[2J",
  `8.8.4.4:${"1".repeat(100)}`,
].flatMap((line) => line.split("|"))
const entries: unknown[] = noPlaces
  .map((ip): unknown => ({ ip }))
  .concat(
    [null, 7, [], {}, "8.8.4.4"],
    [null, 8, ["8.8.4.4"], { ip: "8.8.4.4" }].map((ip) => ({ ip })),
  )
test("invalid entries are left out, and the others stay", () => {
  for (const entry of entries) {
    const text = JSON.stringify({ status: "success", data: [entry, { ip: "8.8.4.4:1" }] })
    assert.deepEqual(readLocations(text, 7), [{ host: "8.8.4.4", port: 7 }], text)
  }
})

const badAnswers: [what: string, text: string, reason: RegExp][] = [
  ["not JSON", "<html>", /not valid JSON/],
  ["nothing", "", /JSON/],
  ["no object", "7", /not an object/],
  ["null", "null", /not an object/],
  [
    "of another status",
    JSON.stringify({ status: "error", data: [{ ip: "8.8.4.4" }] }),
    /not a list of locations/,
  ],
  [
    "without a list",
    JSON.stringify({ status: "success", data: { ip: "8.8.4.4" } }),
    /not a list of locations/,
  ],
  [
    "longer than any app",
    success(...Array.from({ length: 10_001 }, () => "8.8.4.4")),
    /more than 10000 locations/,
  ],
]
for (const [what, text, reason] of badAnswers) {
  test(`an answer that is ${what} is a failure`, async (t) => {
    const base = await api(t, (_, response) => response.end(text))
    await assert.rejects(ask(base), { code: "ERR_DISCOVERY", message: reason })
  })
}

test("an answer of the maximal length is taken in full", () => {
  const ips = Array.from({ length: 10_000 }, (_, index) => `8.8.${index >> 8}.${index & 255}:16127`)
  assert.equal(readLocations(success(...ips), 7).length, 10_000)
})

test("bytes that are not UTF-8 are a failure", async (t) => {
  const base = await api(t, (_, response) => response.end(Buffer.from(success("8.8.4.4")).fill(0xff, 40, 41)))
  await assert.rejects(ask(base), { code: "ERR_DISCOVERY" })
})

test("an endless answer is cut off at 4 MiB", async (t) => {
  let written = 0
  const cut = Promise.withResolvers<void>()
  const base = await api(t, (_, response) => {
    const chunk = Buffer.alloc(65_536, " ")
    const write = (): void => {
      while (!response.destroyed) {
        written += chunk.length
        if (!response.write(chunk)) return
      }
    }
    response.on("drain", write)
    response.on("close", () => cut.resolve())
    write()
  })
  await assert.rejects(ask(base), {
    code: "ERR_DISCOVERY",
    message: /the answer is longer than 4194304 bytes/,
  })
  await cut.promise
  assert.ok(written < 64 << 20, `${written} bytes`)
})

test("a status other than success is a failure, and the connection is closed", async (t) => {
  const closed = Promise.withResolvers<void>()
  const base = await api(t, (_, response) => {
    response.statusCode = 502
    response.on("close", () => closed.resolve())
    response.write("a page that does not end")
  })
  await assert.rejects(ask(base), { code: "ERR_DISCOVERY", message: /the status is 502$/ })
  await closed.promise
})

test("a redirect is not followed", async (t) => {
  let asked = 0
  const base = await api(t, (request, response) => {
    asked++
    if (request.url === "/elsewhere") return response.end(success("8.8.4.4"))
    return response.writeHead(302, { location: "/elsewhere" }).end()
  })
  await assert.rejects(ask(base), { code: "ERR_DISCOVERY", message: /redirect/ })
  assert.equal(asked, 1)
})

const slow: [what: string, answer: RequestListener][] = [
  ["says nothing", () => {}],
  ["begins and does not go on", (_, response) => void response.write('{"status":')],
]
for (const [what, answer] of slow) {
  test(`an API that ${what} is waited for within limits`, async (t) => {
    const base = await api(t, answer)
    await assert.rejects(ask(base, { timeLimitMs: 100 }), {
      code: "ERR_DISCOVERY",
      message: `asking ${base}/apps/location/web failed: no complete answer within 100 ms`,
    })
  })
}

test("an unreachable API is a failure that says why", async (t) => {
  const base = await api(t, (_, response) => response.destroy())
  await assert.rejects(ask(base), { code: "ERR_DISCOVERY" })
  await assert.rejects(ask("http://127.0.0.1:1"), {
    code: "ERR_DISCOVERY",
    message: /^asking http:\/\/127\.0\.0\.1:1\/apps\/location\/web failed: .*(ECONNREFUSED|bad port)/,
  })
})

test("a look ends with its signal", async (t) => {
  const ends = new AbortController()
  const base = await api(t, () => ends.abort())
  await assert.rejects(lookUpFlux({ app: "web", port: 1, api: base, signal: ends.signal }), {
    code: "ERR_DISCOVERY",
  })
})

test("every address taken from any answer is public and has our port", () => {
  const ip = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc
      .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 99_999 }))
      .map(([host, port]) => `${host}:${port}`),
    fc.tuple(fc.ipV6(), fc.nat(65_535)).map(([host, port]) => `[${host}]:${port}`),
    fc.jsonValue(),
  )
  const data = fc.oneof(
    fc.array(fc.oneof(fc.record({ ip }), fc.jsonValue()), { maxLength: 30 }),
    fc.jsonValue(),
  )
  const answer = fc.record({
    status: fc.oneof({ weight: 9, arbitrary: fc.constant("success") }, fc.string()),
    data,
  })
  let places = 0
  fc.assert(
    fc.property(answer, (value) => {
      let found
      try {
        found = readLocations(JSON.stringify(value), 7)
      } catch {
        assert.ok(value.status !== "success" || !Array.isArray(value.data))
        return
      }
      places += found.length
      for (const { host, port } of found) {
        assert.ok(isIP(host) > 0 && isPublicUnicast(host), host)
        assert.equal(port, 7)
      }
    }),
    { numRuns },
  )
  assert.ok(places > 10, "the property was not idle")
})

test("any other text throws an Error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        assert.ok(Array.isArray(readLocations(text, 1)))
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof TypeError), String(error))
      }
    }),
    { numRuns },
  )
})
