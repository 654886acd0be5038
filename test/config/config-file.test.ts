import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { suite, test } from "node:test"
import fc from "fast-check"
import { z } from "zod"
import { ConfigError, parseConfig } from "../../src/config/config-file.ts"
import { configSchema } from "../../src/wiring/config.ts"

const fixtures = join(import.meta.dirname, "../fixtures")
const numRuns = process.env["SLOW"] === undefined ? 200 : 10_000

/** The fixtures, each named for its fault, with the expected place, message and hint. */
const refused: Record<string, [place: string, message: string, hint?: string]> = {
  "age-without-identity": ["2:3", 'secrets.app.json lacks "identity_file"'],
  "alias-bomb": ["", "aliases repeat more than 100 nodes", "write the values out"],
  "app-name": ["2:3", '"Web_1" is not a name for an app', "a-z 0-9 -"],
  "command-as-text": ["2:17", "secrets.smtp.exec is text, not a list"],
  "directories-that-meet": ["9:", "overlaps the directory of one", "a directory of its own"],
  "directory-without-pattern": ["2:11", "a directory needs a pattern", '"quotes/*": { dir: … }'],
  "duration-without-unit": ["1:11", "discover: not a duration", "30s, 5m"],
  "empty-command": ["2:17", "secrets.smtp.exec is too short", "at least 1"],
  "empty-value": ["2:15", "secrets.db-password is empty", 'write "store"'],
  "file-line": ["6:13", "apps.db.files[0]", "mode=0400"],
  "files-without-directory": ["6:5", "apps.web.files: needs a directory", "PURSER_FILES"],
  "flux-api": ["4:34", "not an http address"],
  "flux-without-app": ["4:9", 'apps.web.nodes[0].flux lacks "app"'],
  "key-and-raw": ["2:9", "key and raw exclude each other"],
  "limit-range": ["2:17", "limits.secret_bytes is too large", "at most 16777216"],
  "limits-that-do-not-fit": ["2:3", "does not fit into a frame of 2048", "frame_bytes"],
  "list-at-the-top": ["1:1", "the file is a list, not a mapping"],
  "no-pause": ["1:8", "every: too short", "use at least 1s"],
  "node-kind": ["4:11", 'unknown key "dsn" in apps.web.nodes[0]', '"dns"'],
  "number-for-duration": ["1:8", "every is a number, not text", "30s, 5m"],
  "pattern-for-file": ["2:15", "a pattern needs a source that holds many"],
  "pattern-in-the-middle": ["2:3", '"quotes/*/today" is not a name for a secret'],
  pin: ["4:12", "apps.web.pins[0]: not a pin"],
  "pinned-without-pins": ["3:12", "pinned needs pins"],
  "pins-without-pinned": ["3:5", "have no meaning without trust: pinned"],
  port: ["4:9", "apps.web.nodes[0]: not an address"],
  prototype: ["2:3", 'unknown key "__proto__"'],
  recipient: ["2:16", "store.recipients[0]: not an age recipient"],
  "recipients-without-identity": ["2:3", "recipients needs identity_file"],
  "secret-name": ["2:3", '"../../etc/shadow" is not a name for a secret'],
  "signal-for-directory": ["6:5", "a directory has no process to signal", "exec:COMMAND"],
  tabs: ["2:1", "a tab in the indentation; use spaces"],
  tag: ["1:7", "unknown tag (!…)"],
  "too-deep": ["1:", "nested too deeply"],
  trust: ["3:12", "is not one of enrolled, approved, pinned, discovered", '"enrolled"'],
  "twice-the-same-key": ["4:3", 'duplicate key "web"'],
  "two-documents": ["2:1", "a second document begins"],
  "two-sources-for-one": ["4:5", 'unknown key "env" in secrets.tls.key', "known keys: file"],
  unclosed: ["4:1", "a quote, bracket, comma or colon is missing"],
  "ungiven-secret": ["7:9", "no source gives db-pasword", '"db-password"'],
  "ungranted-file": ["8:9", "b is not granted to this app"],
  "files-that-meet": ["6:5", "a and b both go to /out/a"],
  "unknown-alias": ["2:8", "the alias *nobody has no anchor before it"],
  "unknown-app-key": ["6:5", 'unknown key "require_tmpf" in apps.web', '"require_tmpfs"'],
  "unknown-key": ["2:1", 'unknown key "secrts"', '"secrets"'],
  "unknown-source": ["3:14", 'unknown key "fil" in secrets.tls.key', '"file"'],
  "value-instead-of-source": [
    "2:16",
    "secrets.db-password is text that cannot be used here",
    'write "store"',
  ],
  "wrong-type": ["5:14", "apps.web.secrets is text, not a list"],
}

suite("bad configurations", () => {
  test("every fixture is in the table", () => {
    const files = readdirSync(fixtures).filter((name) => name.startsWith("bad-config-"))
    assert.deepEqual(
      files.toSorted(),
      Object.keys(refused)
        .map((name) => `bad-config-${name}.yaml`)
        .toSorted(),
    )
  })
  for (const [name, [place, message, hint]] of Object.entries(refused)) {
    test(`refuses ${name.replaceAll("-", " ")}, with its place`, () => {
      const error = refusal(readFileSync(join(fixtures, `bad-config-${name}.yaml`), "utf8"))
      assert.ok(error.message.startsWith(`purser.yaml:${place}`), error.message)
      assert.ok(error.message.includes(message), error.message)
      if (hint !== undefined) assert.ok(error.hint?.includes(hint), error.hint)
      // A value is never repeated, because it may be a secret in the wrong place.
      const all = [error.message, error.hint, ...error.others.flatMap((one) => [one.message, one.hint])].join(
        "\n",
      )
      assert.doesNotMatch(all, /correct-horse/)
    })
  }
})

test("reports every problem, in the order of the file", () => {
  const error = refusal("every: 1\nsecrets: { b: 1 }\nnonsense: 1\ndiscover: 2\n")
  const lines = [error, ...error.others].map(({ message }) => message.split(": ")[0])
  assert.deepEqual(lines, ["purser.yaml:1:8", "purser.yaml:2:15", "purser.yaml:3:1", "purser.yaml:4:11"])
})

test("an empty file is an empty configuration", () => {
  assert.deepEqual(parseConfig("# nothing yet\n", "purser.yaml", z.strictObject({})), {
    plain: {},
    value: {},
  })
})

test("finds the line through an alias", () => {
  const schema = z.strictObject({
    a: z.strictObject({ x: z.number() }),
    b: z.strictObject({ x: z.string() }),
  })
  const error = refusal("a: &a\n  x: 1\nb: *a\n", schema)
  assert.match(error.message, /^purser\.yaml:2:6: b\.x is a number, not text$/)
})

test("a parsed configuration is deeply frozen", () => {
  const { value } = parseConfig("secrets: { a: { exec: [pass] } }", "purser.yaml", configSchema)
  assert.throws(() => Object.assign(value.secrets, { b: "store" }), TypeError)
  const source = value.secrets["a"]
  assert.ok(typeof source === "object" && "exec" in source)
  assert.throws(() => source.exec.push("more"), TypeError)
})

test("any text is parsed as a configuration or refused with a place", () => {
  const words = [
    "apps",
    "secrets",
    ": ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    "- ",
    "&a ",
    "*a",
    "!!x ",
    '"',
    "'",
    "|",
    "#",
    "web",
    "store",
    "\t",
    "?",
    "__proto__",
  ]
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join("")),
  )
  fc.assert(
    fc.property(text, (input) => {
      try {
        parseConfig(input, "purser.yaml", configSchema)
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error))
        assert.match(error.message, /^purser\.yaml:/)
      }
    }),
    { numRuns },
  )
})

function refusal(text: string, schema: z.ZodType = configSchema): ConfigError {
  try {
    parseConfig(text, "purser.yaml", schema)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.code, "ERR_CONFIG")
    return error
  }
  throw new Error("it was not refused")
}
