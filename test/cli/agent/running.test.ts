import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { createIdentity } from "../../../src/channel/identity.ts"
import { parseEnrolment } from "../../../src/channel/enrolment.ts"
import { startTestNode } from "../../support/pair.ts"
import { doneFrame, rawNode } from "../../support/raw.ts"
import { waitFor } from "../../support/wait.ts"
import { contentIs, stage } from "./stage.ts"

/** A running agent: signals, and the effects of other commands. */

test("a second agent on the same state exits 5 and names the first, which goes on", async (t) => {
  const { startNode, startAgent, round } = await stage(t)
  const node = await startNode()
  const agent = startAgent(["--node", node.address])
  await agent.wrote("stdout", /"type":"delivery"/)
  const { code, stderr } = await round(["--node", node.address])
  assert.equal(code, 5)
  assert.match(stderr, new RegExp(`in use by process ${agent.pid}\nhint: `))
  assert.equal(agent.child.exitCode, null)
  assert.equal(await agent.stop("SIGKILL"), null)
  assert.equal((await round(["--node", node.address])).code, 0, "a lock ends with its holder")
})

test("secret set, enrol and nodes approve act on an agent that runs", async (t) => {
  const { startNode, startAgent, purser, enrolment, base, start } = await stage(t)
  const node = await startNode()
  const agent = startAgent(["--node", node.address])
  await contentIs(node, "db-password", "swordfish")
  await purser(["secret", "set", "db-password"], "changed")
  await contentIs(node, "db-password", "changed")

  const rotated = await purser(["enrol", "web", "--rotate", "--overlap", "0s"])
  assert.notEqual(rotated, enrolment)
  await purser(["secret", "set", "db-password"], "third")
  await agent.wrote("stdout", /"status":"refused"/)
  assert.equal(await node.read("db-password"), "changed", "the old token counts no more")
  await agent.stop()

  const identity = createIdentity()
  const kept = await startTestNode(t, await purser(["enrol", "kept", "--trust", "approved"]), { identity })
  await writeFile(
    join(base, "purser.yaml"),
    `secrets: { db-password: store }
apps: { kept: { secrets: [db-password], trust: approved, nodes: ["${kept.address}"] } }
`,
  )
  const second = start(["agent", "--json"])
  await second.wrote("stdout", /"status":"refused"/)
  await purser(["nodes", "approve", identity.pin])
  const approved = performance.now()
  await contentIs(kept, "db-password", "third")
  assert.ok(performance.now() - approved < 5000)
  // The file is there before the session that brought it has ended.
  const ended = new RegExp(`kept +${kept.address} +node-1 +ok`)
  await waitFor("the node to be listed so", async () => ended.test(await purser(["nodes", "ls"])))
})

test("after a new token a refused node is served at once", async (t) => {
  const { startAgent, purser, enrolment } = await stage(t)
  await purser(["enrol", "web", "--revoke"])
  const { agentPins } = parseEnrolment(enrolment)
  const agentOnly = await startTestNode(t, enrolment)
  const agent = startAgent(["--node", agentOnly.address])
  await agent.wrote("stdout", /"status":"refused"/)
  const fresh = await purser(["enrol", "web"])
  assert.deepEqual(parseEnrolment(fresh).agentPins, agentPins)
  const before = agent.lines().length
  await waitFor("another try", () => agent.lines().length > before)
  assert.equal(agent.lines().at(-1)?.["status"], "refused", "the old string stays worthless")
})

test("SIGTERM finishes the session in flight, and ends with 0", async (t) => {
  const { startAgent, enrolment } = await stage(t)
  const asked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const node = await rawNode(t, enrolment, async ({ greet, write }) => {
    await greet()
    asked.resolve()
    await release.promise
    await write(doneFrame)
  })
  const agent = startAgent(["--node", node.address])
  await asked.promise
  agent.child.kill("SIGTERM")
  // The agent continues after the signal.
  const late = await waitFor("the signal to have arrived", () => hasSignal(agent.pid))
  assert.ok(late)
  assert.equal(agent.child.exitCode, null)
  release.resolve()
  assert.equal(await agent.exited, 0)
  assert.equal(agent.lines().at(-1)?.["status"], "ok")
})

/** Whether no SIGTERM is pending any more. */
function hasSignal(pid: number): boolean {
  if (process.platform !== "linux") return true
  const pending = /^(?:ShdPnd|SigPnd):\s*([0-9a-f]+)$/gm
  return [...readFileSync(`/proc/${pid}/status`, "utf8").matchAll(pending)].every(
    ([, bits]) => !/[^0]/.test(bits ?? ""),
  )
}

test("a second SIGTERM ends at once", async (t) => {
  const { startAgent, enrolment } = await stage(t)
  const asked = Promise.withResolvers<void>()
  const node = await rawNode(t, enrolment, async ({ greet, next }) => {
    await greet()
    asked.resolve()
    await next().catch(() => {})
  })
  const agent = startAgent(["--node", node.address])
  await asked.promise
  agent.child.kill("SIGTERM")
  await waitFor("the first one to be taken", () => hasSignal(agent.pid))
  agent.child.kill("SIGTERM")
  assert.equal(await agent.exited, 143)
})

test("SIGHUP reads purser.yaml again, and a broken one leaves the old in force, with the reason", async (t) => {
  const { startNode, start, base, purser, run } = await stage(t)
  await purser(["secret", "set", "tls.key"], "key")
  const node = await startNode()
  const file = join(base, "purser.yaml")
  const yaml = (grants: string): string =>
    `secrets: { db-password: store, tls.key: store }\napps: { web: { secrets: ${grants}, nodes: ["${node.address}"] } }\n`
  await writeFile(file, yaml("[db-password]"))
  const agent = start(["agent"])
  await contentIs(node, "db-password", "swordfish")

  await writeFile(file, yaml("[db-password, tls.kye]"))
  agent.child.kill("SIGHUP")
  await agent.wrote(
    "stderr",
    /the configuration stays as it was: .*purser\.yaml:2.*no source gives tls\.kye.*\nhint: did you mean "tls\.key"\?/,
  )
  // Not from where the broken file is, which every command reads.
  await run(["secret", "set", "db-password"], { cwd: "/", input: "two" })
  await contentIs(node, "db-password", "two")

  await writeFile(file, yaml("[db-password, tls.key]"))
  agent.child.kill("SIGHUP")
  await contentIs(node, "tls.key", "key")
  await agent.wrote("stderr", /read the configuration again/)

  await rm(file)
  agent.child.kill("SIGHUP")
  await agent.wrote("stderr", /the configuration stays as it was: no app is configured/)
  await purser(["secret", "set", "tls.key"], "key-2")
  await contentIs(node, "tls.key", "key-2")
  assert.equal(await agent.stop(), 0)
})
