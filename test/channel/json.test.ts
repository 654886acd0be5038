import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { isDeeper, parseJson } from "../../src/channel/json.ts"
import { numRuns, purserError } from "./support.ts"

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

test("counts the nesting of the parsed value, with any brackets, quotes and backslashes in strings", () => {
  const nasty = fc.string({
    unit: fc.constantFrom("[", "]", "{", "}", '"', "\\", "a", "\u2028", "é"),
    maxLength: 12,
  })
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 7, depthSize: "large" },
      nasty,
      fc.integer(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(nasty, tie("value"), { maxKeys: 3 }),
    ),
  }))
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1), fc.nat({ max: 10 }), (json, indent, depth) => {
      const bytes = Buffer.from(JSON.stringify(json, undefined, indent))
      assert.equal(isDeeper(bytes, depth), depthOf(json) > depth)
    }),
    { numRuns },
  )
})

test("refuses deep nesting without parsing it", () => {
  const deep = Buffer.from("[".repeat(60_000))
  assert.throws(() => parseJson(deep, 8, "a frame"), purserError("ERR_LIMIT", /deeper than 8/))
  const eight = `${"[".repeat(8)}${"]".repeat(8)}`
  assert.doesNotThrow(() => parseJson(Buffer.from(eight), 8, "a frame"))
  assert.throws(() => parseJson(Buffer.from(`[${eight}]`), 8, "a frame"), purserError("ERR_LIMIT"))
  assert.throws(() => parseJson(Buffer.from(`{"a":${eight}}`), 8, "a frame"), purserError("ERR_LIMIT"))
})

test("refuses bytes that are not UTF-8", () => {
  const wrong = ["ff", "c0af", "eda080", "f4908080", "e282", "80"]
  for (const hex of wrong) {
    const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(hex, "hex"), Buffer.from('"}')])
    assert.throws(() => parseJson(bytes, 8, "a frame"), purserError("ERR_PROTOCOL", /UTF-8/), hex)
  }
})

test("refuses text that is not JSON, without quoting it", () => {
  for (const text of [
    "",
    " ",
    "{",
    '{"a":1,}',
    "{a:1}",
    "undefined",
    "\ufeff{}",
    '{"hunter2":hunter2}',
    "{}{}",
  ]) {
    assert.throws(
      () => parseJson(Buffer.from(text), 8, "a frame"),
      (error) => purserError("ERR_PROTOCOL", /^a frame is not JSON$/)(error),
      text,
    )
  }
})
