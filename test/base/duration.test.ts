import assert from "node:assert/strict"
import { test } from "node:test"
import { isDuration, parseDuration } from "../../src/base/duration.ts"
import { isPurserError } from "../../src/base/errors.ts"

test("a duration is a number and a unit", () => {
  assert.deepEqual(
    ["250ms", "30s", "5m", "1h", "7d", "0s"].map(parseDuration),
    [250, 30_000, 300_000, 3_600_000, 604_800_000, 0],
  )
})

for (const text of ["", "5", "m", "-5m", "1.5h", "5 m", "5M", "1h30m", "9999999999s", "５m"]) {
  test(`refuses ${JSON.stringify(text)} as a duration`, () => {
    assert.equal(isDuration(text), false)
    assert.throws(
      () => parseDuration(text),
      (error) => isPurserError(error, "ERR_USAGE") && error.hint !== undefined,
    )
  })
}
