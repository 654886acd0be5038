import assert from "node:assert/strict"
import { readdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { processes } from "../../support/processes.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"

/** `purser health` of an agent, and of what is no status; that of a node is in node.test.ts. */

test("purser health --state needs all files of a directory, and names one that is gone", async (t) => {
  const { start, base, run, purser } = await processes(t)
  await purser(["secret", "set", "db-password"], "swordfish")
  await writeFile(
    join(base, "purser.yaml"),
    `secrets: { db-password: store, late: store }
apps:
  db: { secrets: [db-password, late], directory: out, files: [db-password, late] }
`,
  )
  const health = async (): Promise<[number | null, string]> => {
    const { code, stderr } = await run(["health"])
    return [code, stderr]
  }
  assert.equal((await health())[0], 1)
  const agent = start(["agent", "--json"])
  await agent.wrote("stdout", /"status":"failed"/)
  const [early, why] = await health()
  assert.equal(early, 1)
  assert.match(why, /not in place: .*out\/late/)
  await purser(["secret", "set", "late"], "now")
  await agent.wrote("stdout", /"type":"delivery".*"status":"ok"/)
  assert.deepEqual(await health(), [0, ""])
  assert.deepEqual((await readdir(join(base, "out"))).toSorted(), ["db-password", "late"])
  await rm(join(base, "out", "late"))
  assert.match((await health())[1], /not in place: .*out\/late/)
  assert.equal(await agent.stop(), 0)
  assert.equal((await health())[0], 1, "an agent that was stopped is not healthy")
})

test("health looks where an agent without flags would be, and an unknown flag exits 2", async (t) => {
  const { run, base } = await processes(t)
  const env = { PURSER_STATE: undefined, HOME: base, XDG_DATA_HOME: join(base, "data") }
  const { code, stderr } = await run(["health"], { env })
  assert.equal(code, 1)
  assert.match(stderr, /no status file .*purser.*status\.json.*\nhint: /)
  assert.equal((await run(["health", "--stat"])).code, 2)
  assert.equal((await run(["health", "--help"])).code, 0)
})

test("an invalid status file is unhealthy, and not a crash", async (t) => {
  const { run, base } = await processes(t)
  const status = join(base, "status")
  for (const content of ["", "{}", '{"required":"x"}', '{"required":[1]}', "null"]) {
    await writeFile(status, content)
    const { code, stderr } = await run(["health", "--status", status])
    assert.equal(code, 1, content)
    assert.match(stderr, /status/)
  }
})

test("an agent that was killed is not healthy, though its files are in place", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { start, run, purser } = await processes(t)
  await purser(["secret", "set", "a"], "x")
  const agent = start(["agent", "--app", "web", "--secret", "a", "--node", "127.0.0.1:1"])
  await agent.wrote("stderr", /audit head/)
  await waitFor("a status", async () => (await run(["health"])).code === 0)
  agent.child.kill("SIGKILL")
  await agent.exited
  const { code, stderr } = await run(["health"])
  assert.equal(code, 1)
  assert.match(stderr, /process \d+, which wrote .*status\.json, has ended/)
})

test("a status file that cannot be written is an error with a hint", async (t) => {
  const { run, purser, base } = await processes(t)
  await purser(["secret", "set", "a"], "x")
  const enrolment = await purser(["enrol", "web"])
  for (const status of ["/nonexistent/directory/status", base]) {
    const node = await run(["node", "--status", status, "--listen", "127.0.0.1:0"], {
      env: { PURSER_ENROL: enrolment },
    })
    const agent = await run([
      "agent",
      "--app",
      "web",
      "--secret",
      "a",
      "--node",
      "x",
      "--once",
      "--status",
      status,
    ])
    for (const { code, stderr } of [node, agent]) {
      assert.equal(code, 1, stderr)
      assert.match(stderr, new RegExp(`cannot write the status file ${status}: [^]*hint: .*--status`))
      assert.doesNotMatch(stderr, /^ +at /m)
    }
  }
})
