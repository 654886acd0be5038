import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { distinct, formatAddress, parseNodeAddress } from "../../../src/apps/discovery/address.ts"

const numRuns = process.env["SLOW"] === undefined ? 500 : 20_000

const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((ip) => !ip.includes(".")),
  fc.domain(),
)
const address = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }, { noNullPrototype: true })

test("a formatted address parses to itself", () => {
  assert.equal(formatAddress({ host: "203.0.113.7", port: 39_898 }), "203.0.113.7:39898")
  assert.equal(formatAddress({ host: "2001:db8::1", port: 1 }), "[2001:db8::1]:1")
  fc.assert(
    fc.property(address, (one) => {
      assert.deepEqual(parseNodeAddress(formatAddress(one)), one)
    }),
    { numRuns },
  )
})

test("only equal addresses have the same format", () => {
  fc.assert(
    fc.property(address, address, (one, other) => {
      assert.equal(
        formatAddress(one) === formatAddress(other),
        one.host === other.host && one.port === other.port,
      )
    }),
    { numRuns },
  )
})

test("of duplicates one stays, in order of first appearance", () => {
  fc.assert(
    fc.property(fc.array(address, { maxLength: 20 }), (some) => {
      const once = distinct(some)
      assert.deepEqual(distinct([...some, ...some]), once)
      assert.deepEqual(new Set(once.map(formatAddress)), new Set(some.map(formatAddress)))
      assert.equal(new Set(once.map(formatAddress)).size, once.length)
      assert.deepEqual(once[0], some[0])
    }),
    { numRuns: Math.ceil(numRuns / 5) },
  )
})
