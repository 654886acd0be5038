import assert from "node:assert/strict"
import { describe, it } from "node:test"
import fc from "fast-check"
import { formatCheck, parseCheck } from "../../src/rollout/check.ts"
import { purserError } from "../files/support.ts"

describe("a check as text", () => {
  it("is read and written the same", () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,10}$/)
    const host = fc.oneof(
      fc.constant(null),
      word.filter((text) => !/^[\d.]+$/.test(text)),
      fc.constant("::1"),
      fc.ipV4(),
    )
    const checks = fc.record({
      host,
      port: fc.integer({ min: 1, max: 65_535 }),
      withinMs: fc.integer({ min: 1, max: 600_000 }),
    })
    fc.assert(
      fc.property(checks, fc.option(word), (check, file) => {
        const whole = { ...check, ...(file === null ? {} : { file }), serverName: "shop.lan" }
        assert.deepEqual(parseCheck(formatCheck(whole)), whole)
      }),
    )
  })

  it("is read, or refused with ERR_USAGE, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
        try {
          parseCheck(text)
        } catch (error) {
          assert.ok(purserError("ERR_USAGE", /./)(error))
        }
      }),
    )
    const wrong = [
      "",
      "host",
      ":0",
      ":65536",
      ":443 file",
      ":443 within=0s",
      ":443 within=11m",
      ":443 name=1.2.3.4",
    ]
    for (const text of [...wrong, ":443 file=a file=b", "[x]:443", "a b:443", "-a:443"])
      assert.throws(() => parseCheck(text), purserError("ERR_USAGE", /./), text)
  })
})
