import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFile, mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { test } from "node:test"
import { openStateDir } from "../../src/state/open.ts"
import { silentLog } from "../../src/base/log.ts"
import { bin } from "./purser.ts"
import { statePlace } from "./state-place.ts"

test("shows one line for each decision, and with --json the object of the log", async (t) => {
  const { ok, stateDir } = await statePlace(t)
  await ok("enrol", "web")
  const [line = ""] = (await readFile(join(stateDir, "audit.log"), "utf8")).split("\n")
  assert.match(await ok("audit"), /^1 \d{4}-\d\d-\d\dT[\d:.]+Z enrolment app=web change=created\n$/)
  assert.deepEqual(JSON.parse(await ok("audit", "--json")), JSON.parse(line))
})

test("without a state directory it shows nothing, and creates nothing", async (t) => {
  const { ok, dir } = await statePlace(t)
  const absent = join(dir, "absent")
  assert.equal(await ok("audit", "--state", absent), "")
  await assert.rejects(stat(absent), { code: "ENOENT" })
})

test("a peer's name stays one word of one line", async (t) => {
  const { ok, stateDir } = await statePlace(t)
  await mkdir(stateDir, { mode: 0o700 })
  {
    await using opened = await openStateDir(stateDir, silentLog)
    await opened.audit.append({
      kind: "rejected",
      app: "web",
      address: "a:1",
      reason: "x",
      node: "a\n9 2026-01-01T00:00:00.000Z trust app=web \u001b[2J",
    })
    await opened.audit.append({
      kind: "rejected",
      app: "web",
      address: "a:1",
      node: "b kind=trust\u2028\u202e",
      reason: 'is "no" name',
    })
  }
  const shown = (await ok("audit")).trimEnd().split("\n")
  assert.equal(shown.length, 2)
  assert.ok(
    shown[0]?.endsWith(
      String.raw` rejected app=web address=a:1 reason=x node="a\n9 2026-01-01T00:00:00.000Z trust app=web \u001b[2J"`,
    ),
    shown[0],
  )
  assert.ok(
    shown[1]?.endsWith(
      String.raw` rejected app=web address=a:1 node="b kind=trust\u2028\u202e" reason="is \"no\" name"`,
    ),
    shown[1],
  )
})

test("a log of an earlier version is shown, with kinds and fields that this one does not know", async (t) => {
  const { ok, stateDir, withState } = await statePlace(t)
  withState(() => {})
  const log = await readFile(resolve(import.meta.dirname, "../fixtures/audit-log.jsonl"), "utf8")
  await writeFile(join(stateDir, "audit.log"), log)
  const shown = (await ok("audit")).trimEnd().split("\n")
  assert.equal(shown.length, log.trimEnd().split("\n").length)
  assert.match(
    shown.at(-3) ?? "",
    / levitated app=web height=3 by=\{"whom":\["nobody"\],"how":null\} isTrue=false$/,
  )
  assert.match(
    shown.at(-2) ?? "",
    / delivered app=web directory=\/run\/secrets secret=pin moon=waxing content=0{64}$/,
  )
})

test("a damaged line is shown as it is, and a torn one gets a warning", async (t) => {
  const { run, ok, stateDir } = await statePlace(t)
  await ok("enrol", "web")
  await appendFile(join(stateDir, "audit.log"), '{nonsense\u001b\n7\n{"seq":')
  const { code, stdout, stderr } = await run(["audit"])
  assert.equal(code, 0)
  assert.deepEqual(stdout.trimEnd().split("\n").slice(1), [
    String.raw`damaged="{nonsense\u001b"`,
    "damaged=7",
  ])
  assert.match(stderr, /warning: the last line is torn\nhint: see purser audit verify/)
})

test("verify prints the head, which --expect finds again later", async (t) => {
  const { ok, run } = await statePlace(t)
  const empty = await run(["audit", "verify"])
  assert.equal(empty.code, 1, "a directory that is none must not pass")
  assert.match(empty.stderr, /is not a state directory of Purser\nhint: /)
  await ok("enrol", "web")
  const [, head = ""] = /^1 line, head (1:sha256:[0-9a-f]{64})\n$/.exec(await ok("audit", "verify")) ?? []
  await ok("enrol", "db")
  assert.match(await ok("audit", "verify", "--expect", head), /^2 lines, head 2:sha256:/)
  const json = JSON.parse(await ok("audit", "verify", "--json")) as { seq: number; hash: string }
  assert.equal(json.seq, 2)
  const wrong = await run(["audit", "verify", "--expect", `2:${head.slice(2)}`])
  assert.equal(wrong.code, 1)
  assert.equal(wrong.stdout, "")
  assert.match(wrong.stderr, /^purser: line 2 of .*audit\.log is not the expected one\n$/)
  const later = await run(["audit", "verify", "--expect", `3:${json.hash}`])
  assert.match(later.stderr, /hint: the log has only 2 lines/)
  const nonsense = await run(["audit", "verify", "--expect", "2:abc"])
  assert.equal(nonsense.code, 2)
  assert.match(nonsense.stderr, /write SEQ:sha256:HEX/)
})

test("verify exits with 1 and names the line that was edited", async (t) => {
  const { ok, run, stateDir } = await statePlace(t)
  for (const app of ["web", "db", "cache"]) await ok("enrol", app)
  const file = join(stateDir, "audit.log")
  await writeFile(file, (await readFile(file, "utf8")).replace('"app":"db"', '"app":"dc"'))
  const { code, stdout, stderr } = await run(["audit", "verify"])
  assert.deepEqual({ code, stdout }, { code: 1, stdout: "" })
  assert.equal(stderr, `purser: line 2 of ${file} was changed: line 3 holds another hash of it\n`)
  const json = await run(["audit", "verify", "--json"])
  assert.equal((JSON.parse(json.stderr) as { error: string }).error, "ERR_AUDIT")
  await ok("enrol", "more")
  assert.equal((await run(["audit", "verify"])).code, 1, "appending does not repair it")
})

for (const order of ["before", "after"]) {
  test(`--follow goes on with lines as they come, begun ${order} there is a log, until it is told to stop`, async (t) => {
    const { ok, stateDir } = await statePlace(t)
    if (order === "after") await ok("enrol", "zero")
    const child = spawn(process.execPath, [bin, "audit", "--follow"], {
      env: { ...process.env, PURSER_STATE: stateDir },
      stdio: ["ignore", "pipe", "inherit"],
    })
    t.after(() => child.kill("SIGKILL"))
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    const next = async (): Promise<string> => String((await lines.next()).value)
    if (order === "after") assert.match(await next(), /^1 .* enrolment app=zero change=created$/)
    for (const app of ["one", "two", "three"]) {
      await ok("enrol", app)
      assert.match(await next(), new RegExp(`enrolment app=${app} change=created$`))
    }
    child.kill("SIGTERM")
    const [code] = (await once(child, "exit")) as [number | null]
    assert.equal(code, 0)
  })
}
