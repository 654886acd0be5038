import assert from "node:assert/strict"
import { stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { parseEnrolment } from "../../../src/channel/enrolment.ts"
import { statePlace } from "../state-place.ts"

const line = /^purser1\.web\.[\w-]{43}\.[\w-]{43}\n$/

test("prints one line that a node can read, and the same one again; the audit log tells each time, and not the token", async (t) => {
  const { run, ok, audit, withState, stateDir } = await statePlace(t)
  const { code, stdout, stderr } = await run(["enrol", "web"])
  assert.equal(code, 0)
  assert.match(stdout, line)
  assert.equal(stderr, "")
  const { app, agentPins, token = Buffer.alloc(0) } = parseEnrolment(stdout)
  assert.equal(app, "web")
  assert.equal(`${agentPins[0]}\n`, await ok("agent", "identity"))
  assert.deepEqual(
    withState((state) => state.tokens.valid("web")),
    [token],
  )
  assert.equal(await ok("enroll", "web"), stdout)
  assert.deepEqual(JSON.parse(await ok("enrol", "web", "--json")), { app: "web", enrolment: stdout.trim() })
  const lines = await audit()
  assert.deepEqual(
    lines.map(({ kind, change }) => [kind, change]),
    [
      ["enrolment", "created"],
      ["enrolment", "shown"],
      ["enrolment", "shown"],
    ],
  )
  assert.ok(!JSON.stringify(lines).includes(token.toString("base64url")))
  if (process.platform !== "win32") assert.equal((await stat(stateDir)).mode & 0o777, 0o700)
})

test("--rotate prints another token, and the old one stays valid for --overlap", async (t) => {
  const { ok, audit, withState } = await statePlace(t)
  const old = parseEnrolment(await ok("enrol", "web")).token
  const fresh = parseEnrolment(await ok("enrol", "web", "--rotate", "--overlap", "1h")).token
  assert.notDeepEqual(fresh, old)
  assert.deepEqual(
    withState((state) => state.tokens.valid("web")),
    [fresh, old],
  )
  assert.deepEqual(parseEnrolment(await ok("enrol", "web")).token, fresh)
  const last = parseEnrolment(await ok("enrol", "web", "--rotate", "--overlap", "0s")).token
  assert.deepEqual(
    withState((state) => state.tokens.valid("web")),
    [last],
  )
  assert.deepEqual(
    (await audit()).map(({ change }) => change),
    ["created", "rotated", "shown", "rotated"],
  )
})

test("--revoke ends every token, prints nothing on stdout, and the next enrol makes a new one", async (t) => {
  const { run, ok, audit, withState } = await statePlace(t)
  const old = await ok("enrol", "web")
  await ok("enrol", "web", "--rotate")
  const { code, stdout, stderr } = await run(["enrol", "web", "--revoke"])
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "revoked 2 tokens of web\n", stderr: "" })
  assert.deepEqual(
    withState((state) => state.tokens.valid("web")),
    [],
  )
  assert.notEqual(await ok("enrol", "web"), old)
  assert.deepEqual(
    (await audit()).map(({ change, tokens }) => [change, tokens]),
    [
      ["created", undefined],
      ["rotated", undefined],
      ["revoked", 2],
      ["created", undefined],
    ],
  )
})

for (const mode of ["approved", "pinned"]) {
  test(`with trust ${mode} the string ends after the pin, by flag and by purser.yaml`, async (t) => {
    const { dir, run, ok, withState } = await statePlace(t)
    const string = await ok("enrol", "web", "--trust", mode)
    assert.match(string, /^purser1\.web\.[\w-]{43}\n$/)
    const pins = mode === "pinned" ? `, pins: [sha256:${"A".repeat(43)}]` : ""
    await writeFile(
      join(dir, "purser.yaml"),
      `apps: { web: { trust: ${mode}${pins}, nodes: [a.example] } }\n`,
    )
    assert.equal(await ok("enrol", "web"), string)
    assert.deepEqual(
      withState((state) => state.tokens.valid("web")),
      [],
    )
    const rotated = await run(["enrol", "web", "--rotate"])
    assert.equal(rotated.code, 2)
    assert.equal(rotated.stdout, "")
    assert.match(rotated.stderr, new RegExp(`web has trust: ${mode}, so it has no token to rotate`))
    assert.match(await ok("enrol", "web", "--trust", "enrolled"), line)
  })
}

test("an app that purser.yaml does not have is enrolled with a warning, because it may be misspelt", async (t) => {
  const { dir, run } = await statePlace(t)
  await writeFile(join(dir, "purser.yaml"), "apps: { web: { nodes: [a.example] } }\n")
  const { code, stdout, stderr } = await run(["enrol", "wbe"])
  assert.equal(code, 0)
  assert.match(stdout, /^purser1\.wbe\./)
  assert.match(stderr, /^purser: warning: wbe is not among the apps of .*purser\.yaml\n$/)
  assert.equal((await run(["enrol", "web"])).stderr, "")
})

const refused: [what: string, args: string[], message: RegExp][] = [
  ["no app", [], /missing required argument "app"/],
  ["a name that is none", ["../web"], /"\.\.\/web" is not a name for an app/],
  ["--overlap without --rotate", ["web", "--overlap", "1h"], /--overlap has no meaning without --rotate/],
  ["an overlap that is no duration", ["web", "--rotate", "--overlap", "soon"], /"soon" is not a duration/],
  ["--rotate with --revoke", ["web", "--rotate", "--revoke"], /exclude each other/],
  ["a trust mode that is none", ["web", "--trust", "aproved"], /aproved/],
]
test("bad usage exits with 2, prints no string and makes no token", async (t) => {
  const { run, withState, ok } = await statePlace(t)
  await ok("agent", "identity")
  for (const [what, args, message] of refused) {
    const { code, stdout, stderr } = await run(["enrol", ...args])
    assert.equal(code, 2, what)
    assert.equal(stdout, "", what)
    assert.match(stderr, message, what)
    assert.match(stderr, /\nhint: |--rotate/, what)
  }
  assert.deepEqual(
    withState((state) => state.tokens.valid("web")),
    [],
  )
})
