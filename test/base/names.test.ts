import assert from "node:assert/strict"
import { posix } from "node:path"
import { suite, test } from "node:test"
import fc from "fast-check"
import { isPurserError } from "../../src/base/errors.ts"
import {
  grantCovers,
  isAppName,
  isGrant,
  isPattern,
  isSecretName,
  parseSecretName,
  quote,
} from "../../src/base/names.ts"

const numRuns = process.env["SLOW"] === undefined ? 500 : 20_000
const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/)
const name = fc.array(segment, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("/"))
/** Texts close to a name, most of which differ in one place. */
const nearly = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(fc.constantFrom("a", "B", "0", ".", "..", "-", "_", "/", "\\", "\0", " ", "*", "é", "\n"), {
      maxLength: 12,
    })
    .map((parts) => parts.join("")),
)

suite("names of secrets", () => {
  for (const good of [
    "a",
    "0",
    "db-password",
    "tls.key",
    "quotes/a",
    "A_b-c.d",
    "a/b/c/d/e/f/g/h",
    "a".repeat(255),
    "a..b",
    "a.",
  ]) {
    test(`takes ${quote(good)}`, () => assert.equal(parseSecretName(good), good))
  }
  for (const bad of [
    "",
    ".",
    "..",
    "a/..",
    "../a",
    "a/../b",
    "a/./b",
    "/a",
    "a/",
    "a//b",
    "a\0",
    "a\nb",
    "a b",
    "a\\b",
    "-a",
    "_a",
    ".a",
    "a/.b",
    "a*",
    "*",
    "é",
    "a/b/c/d/e/f/g/h/i",
    "a".repeat(256),
    "a".repeat(300),
    "C:a",
  ]) {
    test(`refuses ${quote(bad)}`, () => {
      assert.throws(
        () => parseSecretName(bad),
        (error) => isPurserError(error, "ERR_NAME"),
      )
    })
  }

  test("every name stays below the directory that it is joined to", () => {
    fc.assert(
      fc.property(fc.oneof(name, nearly), (text) => {
        if (!isSecretName(text)) return
        assert.equal(posix.join("/base", text), `/base/${text}`)
        assert.doesNotMatch(text, /[\0-\x20\x7f\\:*]/)
      }),
      { numRuns },
    )
  })
})

suite("grants", () => {
  test("are names, and patterns that end in /* or are just *", () => {
    for (const good of ["a", "a/b", "a/*", "a/b/*", "*"]) assert.ok(isGrant(good), good)
    for (const bad of ["", "/*", "a*", "*/a", "a/*/b", "**", "a/**", "../*", "*/*"])
      assert.ok(!isGrant(bad), bad)
    assert.deepEqual(["a", "a/*", "*"].map(isPattern), [false, true, true])
  })

  test("a name covers only itself, a pattern the names below it, and * every name", () => {
    assert.deepEqual(
      ["a", "a/b", "ab"].map((text) => grantCovers("a", text)),
      [true, false, false],
    )
    assert.deepEqual(
      ["a", "a/b", "a/b/c", "ab"].map((text) => grantCovers("a/*", text)),
      [false, true, true, false],
    )
    fc.assert(
      fc.property(name, name, (a, b) => {
        assert.ok(grantCovers("*", a))
        assert.equal(grantCovers(a, b), a === b)
        assert.equal(grantCovers(`${a}/*`, b), b.startsWith(`${a}/`))
      }),
      { numRuns },
    )
  })
})

test("names of apps are DNS-like labels", () => {
  for (const good of ["a", "0", "web-1", "a".repeat(63)]) assert.ok(isAppName(good), good)
  for (const bad of ["", "-a", "A", "a_b", "a.b", "a b", "a".repeat(64), "a\n"])
    assert.ok(!isAppName(bad), quote(bad))
})

test("a quoted text is short, in one line, and without a control character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      // oxlint-disable-next-line no-control-regex -- the text must hold none
      assert.doesNotMatch(quote(text), /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]/)
    }),
    { numRuns },
  )
})
