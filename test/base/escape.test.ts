import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { escapeForTerminal } from "../../src/base/escape.ts"

test("control characters and bidirectional controls become visible, and other text is unchanged", () => {
  assert.equal(escapeForTerminal("a\u001b[2Jb"), "a\\x1b[2Jb")
  assert.equal(escapeForTerminal("one\ntwo\r\u0007"), "one\\x0atwo\\x0d\\x07")
  assert.equal(escapeForTerminal("\u009b31m\u007f"), "\\x9b31m\\x7f")
  assert.equal(escapeForTerminal("\u202egnp.exe\u2066\u200f\u2028"), "\\u202egnp.exe\\u2066\\u200f\\u2028")
  assert.equal(escapeForTerminal("Grüße, 世界 🔑"), "Grüße, 世界 🔑")
})

test("no control character remains in any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(escapeForTerminal(text), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
    }),
    { numRuns: process.env["SLOW"] ? 20_000 : 500 },
  )
})
