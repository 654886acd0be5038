import assert from "node:assert/strict"
import { test } from "node:test"
import { runInNewContext } from "node:vm"
import { escapeOthers } from "../../scripts/ascii.ts"

test("what is escaped means the same, in strings, templates and patterns", () => {
  const code = '["…ä", `→${"✖"}`, /[–—]/.source.length, /^\\p{L}…😀$/u.test("ä…😀"), "😀"]'
  const escaped = escapeOthers(code)
  assert.match(escaped, /^[\x20-\x7e]+$/)
  const [text, template, , matches, pair] = runInNewContext(escaped) as unknown[]
  assert.deepEqual(
    { text, template, matches, pair },
    { text: "…ä", template: "→✖", matches: true, pair: "😀" },
  )
})

test("a raw template, where an escape would be seen, is refused", () => {
  assert.throws(() => escapeOthers("String.raw`…`"), /raw template/)
  assert.equal(escapeOthers("String.raw`a`"), "String.raw`a`")
})
