import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { backoffMs } from "../../src/base/backoff.ts"

test("the delay doubles up to its limit, and half of it is random", () => {
  const at = (failures: number, random: number): number =>
    backoffMs(failures, { firstMs: 100, maxMs: 1000, random: () => random })
  assert.deepEqual(
    [1, 2, 3, 4, 5, 99].map((failures) => at(failures, 0)),
    [50, 100, 200, 400, 500, 500],
  )
  assert.deepEqual(
    [1, 2, 3, 4, 5, 99].map((failures) => at(failures, 1)),
    [100, 200, 400, 800, 1000, 1000],
  )
})

test("for any number of failures the delay is positive and within the limit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), (failures) => {
      const delay = backoffMs(failures, { firstMs: 1000, maxMs: 300_000 })
      assert.ok(delay >= 500 && delay <= 300_000)
    }),
  )
})
