import assert from "node:assert/strict"
import { test } from "node:test"
import { isPurserError } from "../../../src/base/errors.ts"
import { defaultLimits } from "../../../src/channel/limits.ts"
import { parseLimits } from "../../../src/cli/node/limits.ts"

test("limits have the names of purser.yaml, and those not named stay as they are", () => {
  assert.deepEqual(parseLimits([]), defaultLimits)
  assert.deepEqual(parseLimits(["secret_bytes=4194304", "session=10m", "sessions=8"]), {
    ...defaultLimits,
    secretBytes: 4_194_304,
    sessionMs: 600_000,
    sessions: 8,
  })
})

for (const [setting, code] of [
  ["secret-bytes=1", "ERR_USAGE"],
  ["toString=1", "ERR_USAGE"],
  ["session=600", "ERR_USAGE"],
  ["sessions=many", "ERR_USAGE"],
  ["sessions=8=9", "ERR_USAGE"],
  ["secret_bytes=16777217", "ERR_CONFIG"],
] as const) {
  test(`refuses the limit ${setting}`, () => {
    assert.throws(
      () => parseLimits([setting]),
      (error) => isPurserError(error, code),
    )
  })
}
