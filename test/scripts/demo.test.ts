import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { docker } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const demo = join(import.meta.dirname, "../../scripts/demo.ts")

async function play(env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [demo], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let stdout = ""
  child.stdout.on("data", (text: Buffer) => (stdout += text.toString()))
  const [code] = (await once(child, "close")) as [number | null]
  return { code, stdout }
}

test("the demo does what it says, leaves nothing behind, and says what it leaves out without an engine", async (t) => {
  const room = await tempDir(t)
  const { code, stdout } = await play({ TMPDIR: room, DOCKER_HOST: "unix:///nonexistent/docker.sock" })
  assert.equal(code, 0, stdout)
  assert.equal(stdout.split("\n").filter((line) => /^ ?\d+\. /.test(line)).length, 10, stdout)
  assert.match(stdout, /second part.*is left out: no container engine answers here/)
  assert.ok(!stdout.includes("swordfish"))
  assert.deepEqual(readdirSync(room), [])
})

test("the demo's second part plays where an engine answers, and leaves nothing on it", async (t) => {
  if (!(await requireService(t, "docker"))) return
  const run = `purser-demo-test-${randomBytes(4).toString("hex")}`
  const { code, stdout } = await play({ PURSER_DEMO_RUN: run })
  assert.equal(code, 0, stdout)
  assert.match(stdout, /purser cp - web:/)
  assert.doesNotMatch(stdout, /left out/)
  for (const list of [
    ["ps", "--all", "--quiet"],
    ["image", "ls", "--quiet"],
  ])
    assert.equal(await docker([...list, `--filter=label=purser.demo=${run}`]), "")
})

test("the demo fails when what it claims does not happen", async () => {
  // A proxy setting or the like would do; here every child of the demo ends before it starts.
  const { code, stdout } = await play({ PURSER_DEMO_ENTRY: "/nonexistent/purser.js" })
  assert.equal(code, 1, stdout)
})
