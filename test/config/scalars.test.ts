import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import { checkConfig } from "../../src/config/config-file.ts"
import {
  certificateName,
  duration,
  filePath,
  grant,
  parsedBy,
  wholeNumber,
} from "../../src/config/scalars.ts"
import { PurserError } from "../../src/base/errors.ts"

/** Returns message and hint of the first problem of the value with this schema, or null. */
function problem(schema: z.ZodType, value: unknown): { message: string; hint: string | undefined } | null {
  try {
    checkConfig({ key: value }, z.strictObject({ key: schema }))
    return null
  } catch (error) {
    assert.ok(error instanceof PurserError)
    assert.equal(error.code, "ERR_CONFIG")
    return { message: error.message, hint: error.hint }
  }
}

test("a duration becomes milliseconds", () => {
  assert.equal(duration.parse("250ms"), 250)
  assert.equal(duration.parse("7d"), 7 * 24 * 3600 * 1000)
})

const refused: [claim: string, schema: z.ZodType, value: unknown, message: RegExp, hint: RegExp][] = [
  ["a duration without a unit", duration, "30", /^key: not a duration$/, /30s/],
  ["a pattern in the middle of a name", grant, "a/*/b", /^key: not a name for a secret$/, /trailing/],
  ["an empty path", filePath, "", /^key is too short$/, /at least 1/],
  ["a number below the least", wholeNumber(2, 4), 1, /^key is too small$/, /at least 2/],
  ["a number above the most", wholeNumber(2, 4), 5, /^key is too large$/, /at most 4/],
]
for (const [claim, schema, value, message, hint] of refused) {
  test(`refuses ${claim}`, () => {
    const found = problem(schema, value)
    assert.match(found?.message ?? "", message)
    assert.match(found?.hint ?? "", hint)
  })
}

test("refuses a certificate's name with a dot segment", () => {
  assert.match(problem(certificateName, "a/../b")?.message ?? "", /^key: not a name for a certificate$/)
})

test("a parser's error and hint become those of the key", () => {
  const parse = (text: string): number => {
    if (text === "one") return 1
    throw new PurserError("ERR_USAGE", "not a number that is known", { hint: "write one" })
  }
  assert.equal(parsedBy(parse).parse("one"), 1)
  assert.deepEqual(problem(parsedBy(parse), "two"), {
    message: "key: not a number that is known",
    hint: "write one",
  })
})
