import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { PurserError } from "../../src/base/errors.ts"
import { isSecretName } from "../../src/base/names.ts"
import {
  checkPaths,
  fileLineFor,
  formatFileLine,
  parseFileLine,
  parseFileLines,
  targetPath,
  type FileLine,
} from "../../src/files/file-line.ts"
import { purserError } from "./support.ts"

const numRuns = process.env["SLOW"] === undefined ? 300 : 20_000

const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
const name = fc.array(segment, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("/"))
const path = fc
  .tuple(
    fc.constantFrom("", "/"),
    fc.array(fc.stringMatching(/^[A-Za-z0-9._=@ü-]{1,12}$/u), { minLength: 1, maxLength: 6 }),
  )
  .map(([root, parts]) => root + parts.join("/"))
  .filter(
    (text) => !text.split("/").some((part) => part === "." || part === ".." || part.startsWith(".purser-")),
  )
const user = fc.oneof(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,12}$/), fc.nat(4_294_967_294).map(String))
const owner = fc.oneof(
  user,
  fc.tuple(user, user).map(([left, right]) => `${left}:${right}`),
)
const line: fc.Arbitrary<FileLine> = fc
  .record(
    { name, path, owner, mode: fc.integer({ min: 0, max: 0o777 }), optional: fc.boolean() },
    { requiredKeys: ["name", "mode", "optional"], noNullPrototype: true },
  )
  .filter((one) => isSecretName(one.name))

test("a formatted line is read back unchanged", () => {
  fc.assert(
    fc.property(line, (one) => assert.deepEqual(parseFileLine(formatFileLine(one)), one)),
    { numRuns },
  )
})

test("a line's defaults: mode 0400, required, the name below the directory", () => {
  assert.deepEqual(parseFileLine("  db/password "), { name: "db/password", mode: 0o400, optional: false })
  assert.deepEqual(parseFileLine("db/password"), fileLineFor("db/password"))
  assert.equal(targetPath(fileLineFor("db/password")), "/run/secrets/db/password")
})

test("every part of a line is read, in any order", () => {
  assert.deepEqual(parseFileLine("key optional owner=app:www-data mode=640 path=tls/server.key"), {
    name: "key",
    path: "tls/server.key",
    mode: 0o640,
    owner: "app:www-data",
    optional: true,
  })
})

test("paths lie below the directory, unless they are absolute", () => {
  assert.equal(targetPath(parseFileLine("a path=b/c"), "/out"), "/out/b/c")
  assert.equal(targetPath(parseFileLine("a path=/etc/app//c"), "/out"), "/etc/app/c")
})

const refused: [text: string, message: RegExp][] = [
  ["", /"" is not a name/],
  ["../etc/shadow", /"\.\.\/etc\/shadow" is not a name/],
  ["a/../b", /"a\/\.\.\/b" is not a name/],
  ["/etc/shadow", /"\/etc\/shadow" is not a name/],
  ["a\0b", /is not a name/],
  ["x".repeat(300), /is not a name/],
  ["a path=../b", /path= holds a dot segment/],
  ["a path=/run/../etc/shadow", /path= holds a dot segment/],
  ["a path=b/..", /path= holds a dot segment/],
  ["a path=./b", /path= holds a dot segment/],
  ["a path=b\\..\\c", /path= holds a dot segment/],
  ["a path=b\0c", /path= holds a NUL/],
  ["a path=", /path= names no file/],
  ["a path=/", /path= names no file/],
  ["a path=b/", /path= names no file/],
  ["a path=.purser-owed.json", /reserved/],
  ["a path=sub/.purser-0123456789abcdef.tmp", /reserved/],
  ["a mode=888", /mode="888" is not three octal digits/],
  ["a mode=4755", /mode="4755" is not/],
  ["a mode=01777", /mode="01777" is not/],
  ["a mode=0x1ff", /mode="0x1ff" is not/],
  ["a mode=", /mode="" is not/],
  ["a mode=-400", /mode="-400" is not/],
  ["a owner=", /owner="" is not USER or USER:GROUP/],
  ["a owner=:app", /owner=":app" is not/],
  ["a owner=app:", /owner="app:" is not/],
  ["a owner=a:b:c", /owner="a:b:c" is not/],
  ["a owner=-1", /owner="-1" is not/],
  ["a owner=4294967295", /over 4294967294/],
  ["a owner=1:99999999999", /over 4294967294/],
  ["a optional=yes", /"optional=yes" is none of/],
  ["a Mode=0400", /"Mode=0400" is none of/],
  ["a b", /"b" is none of/],
  ["a mode=0400 mode=0440", /"mode" is given twice/],
  ["a optional optional", /"optional" is given twice/],
]
for (const [text, message] of refused) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))} and names what is wrong with it`, () => {
    assert.throws(() => parseFileLine(text), purserError("ERR_FILE_LINE", message))
  })
}

test("any text gives a line or ERR_FILE_LINE, without control characters", () => {
  const parts = fc.constantFrom(
    "a",
    "/",
    "..",
    " ",
    "path=",
    "mode=",
    "owner=",
    "0400",
    ":",
    "\0",
    "\n",
    "optional",
    "\u001b[2J",
    "ü",
    "#",
  )
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.array(parts).map((some) => some.join("")),
  )
  fc.assert(
    fc.property(text, (some) => {
      for (const parse of [parseFileLine, parseFileLines]) {
        try {
          parse(some)
        } catch (error) {
          assert.ok(error instanceof PurserError, String(error))
          assert.doesNotMatch(error.message, /\p{Cc}/u)
        }
      }
    }),
    { numRuns: numRuns * 3 },
  )
})

test("several lines are read without empty ones and comments", () => {
  const names = parseFileLines("a\r\n\n  # not this\n b optional\n").map((one) => one.name)
  assert.deepEqual(names, ["a", "b"])
  assert.deepEqual(
    parseFileLines(["a", "b\nc"]).map((one) => one.name),
    ["a", "b", "c"],
  )
})

test("two lines for one path are refused with both names", () => {
  for (const text of ["a\nb path=a", "a path=/x/y\nb path=/x//y", "a\na"])
    assert.throws(() => parseFileLines(text), purserError("ERR_FILE_LINE", /^a and [ab] both go to /))
  assert.equal(parseFileLines("a path=/x\nb path=x").length, 2)
})

test("a line below the file of another is refused with both names", () => {
  for (const text of ["a\na/b/c", "a/b/c\na"])
    assert.throws(
      () => parseFileLines(text),
      purserError("ERR_FILE_LINE", /^a\/b\/c goes to a\/b\/c, below the file a of a$/),
    )
  assert.equal(parseFileLines("a\na-b/c\na.d").length, 3)
})

test("once the directory is known, an absolute path and a relative one that meet are refused", () => {
  const lines = parseFileLines("a\nb path=/out/a")
  checkPaths(lines, "/elsewhere")
  assert.throws(() => checkPaths(lines, "/out"), purserError("ERR_FILE_LINE", /both go to \/out\/a/))
})
