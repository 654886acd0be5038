import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { PurserError } from "../../src/base/errors.ts"
import { AllowList } from "../../src/channel/allow-list.ts"
import { numRuns, purserError } from "./support.ts"

test("allows the listed addresses and networks, and no others", async () => {
  const list = AllowList.parse(["203.0.113.7", "10.0.0.0/8", "2001:db8::/32", "::1"])
  for (const address of ["203.0.113.7", "10.255.0.1", "2001:db8:1::1", "::1"])
    assert.ok(await list.allows(address), address)
  for (const address of ["203.0.113.8", "11.0.0.1", "2001:db9::1", "::2", "", "nonsense", "10.0.0.1.evil"]) {
    assert.ok(!(await list.allows(address)), address)
  }
})

test("an empty list allows no address", async () => {
  assert.ok(!(await AllowList.parse([]).allows("127.0.0.1")))
})

test("matches an IPv4-mapped address and an address with a zone", async () => {
  const list = AllowList.parse(["10.0.0.0/8", "fe80::/10", "::ffff:192.0.2.1"])
  for (const address of [
    "::ffff:10.1.2.3",
    "::FFFF:10.1.2.3",
    "::ffff:a01:203",
    "0:0:0:0:0:ffff:a01:203",
    "fe80::1%eth0",
    "192.0.2.1",
  ]) {
    assert.ok(await list.allows(address), address)
  }
  for (const address of ["::ffff:11.1.2.3", "::10.1.2.3", "64:ff9b::10.1.2.3"])
    assert.ok(!(await list.allows(address)), address)
})

test("every IPv4 address is in exactly the networks that share its leading bits", async () => {
  await fc.assert(
    fc.asyncProperty(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), async (a, b, bits) => {
      const number = (address: string): number =>
        address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
      const isInside = Math.floor(number(a) / 2 ** (32 - bits)) === Math.floor(number(b) / 2 ** (32 - bits))
      assert.equal(await AllowList.parse([`${a}/${bits}`]).allows(b), isInside)
      assert.equal(await AllowList.parse([`${a}/${bits}`]).allows(`::ffff:${b}`), isInside)
    }),
    { numRuns },
  )
})

test("resolves a host name at a connection, again after 30 seconds, and once for a flood", async () => {
  let nowMs = 0
  let asked = 0
  let addresses = ["192.0.2.1", "2001:db8::1"]
  const resolve = async (name: string): Promise<string[]> => {
    assert.equal(name, "home.example.org")
    asked++
    return addresses
  }
  const list = AllowList.parse(["home.example.org"], { resolve, now: () => nowMs })
  assert.equal(asked, 0)
  const flood = await Promise.all(Array.from({ length: 50 }, () => list.allows("::ffff:192.0.2.1")))
  assert.ok(flood.every(Boolean))
  assert.ok(await list.allows("2001:db8::1"))
  assert.equal(asked, 1)
  addresses = ["192.0.2.2"]
  nowMs = 29_999
  assert.ok(await list.allows("192.0.2.1"))
  nowMs = 30_000
  assert.ok(!(await list.allows("192.0.2.1")))
  assert.ok(await list.allows("192.0.2.2"))
  assert.equal(asked, 2)
})

test("a name that cannot be resolved allows no address, even if it could be before, and is retried a second later", async () => {
  let nowMs = 0
  let works = true
  let asked = 0
  const resolve = (): Promise<string[]> => {
    asked++
    if (!works) throw new Error("no such name")
    return Promise.resolve(["192.0.2.1"])
  }
  const list = AllowList.parse(["home.example.org", "203.0.113.7"], { resolve, now: () => nowMs })
  assert.ok(await list.allows("192.0.2.1"))
  works = false
  nowMs = 30_000
  assert.ok(!(await list.allows("192.0.2.1")))
  assert.ok(await list.allows("203.0.113.7"), "the rest of the list still counts")
  assert.ok(!(await list.allows("192.0.2.1")))
  assert.equal(asked, 2)
  works = true
  nowMs = 31_000
  assert.ok(await list.allows("192.0.2.1"))
})

test("uses the system's resolver", async () => {
  const list = AllowList.parse(["localhost"])
  assert.ok((await list.allows("127.0.0.1")) || (await list.allows("::1")))
  assert.ok(!(await AllowList.parse(["name.invalid"]).allows("127.0.0.1")))
})

test("refuses an entry that is neither an address, a CIDR nor a host name", () => {
  const wrong = [
    "",
    " ",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "::/129",
    "10.0.0",
    "256.1.1.1",
    "a b",
    "-a.example",
    "http://x",
    "x/24",
    "*.example.org",
    "a..b",
    "a".repeat(64),
    "fe80::1%",
  ]
  for (const entry of wrong) assert.throws(() => AllowList.parse([entry]), purserError("ERR_ADDRESS"), entry)
  for (const entry of ["tasks.web", "my_service", "localhost", "3com.example"]) AllowList.parse([entry])
})

test("answers for any entry and any address", async () => {
  const text = fc.oneof(
    fc.string(),
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.tuple(fc.ipV6(), fc.nat({ max: 200 })).map((pair) => pair.join("/")),
  )
  await fc.assert(
    fc.asyncProperty(text, text, async (entry, address) => {
      try {
        const list = AllowList.parse([entry], { resolve: async () => [address] })
        assert.equal(typeof (await list.allows(address)), "boolean")
      } catch (error) {
        assert.ok(error instanceof PurserError && error.code === "ERR_ADDRESS", String(error))
      }
    }),
    { numRuns },
  )
})
