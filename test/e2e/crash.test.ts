import assert from "node:assert/strict"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { temporaryIn } from "../../src/base/atomic-file.ts"
import { processes } from "../support/processes.ts"
import { startProxy } from "../support/proxy.ts"
import { waitFor } from "../support/wait.ts"

/** Real processes that are killed in the worst moment, and what is left of it. */

const a = "a".repeat(800_000)
const b = "b".repeat(800_000)

test("an agent killed half-way through a body: the node keeps the old file whole, and a new agent delivers", async (t) => {
  const { purser, node: startNode, start, base } = await processes(t)
  await purser(["secret", "set", "big"], a)
  const enrolment = await purser(["enrol", "web"])
  const directory = join(base, "secrets")
  const node = await startNode(enrolment, ["--directory", directory])
  const proxy = await startProxy(t, node.port)
  const flags = ["agent", "--app", "web", "--secret", "big", "--node", proxy.address, "--json"]
  const agent = start(flags)
  await agent.wrote("stdout", /"status":"ok"/)
  proxy.after(200_000, "hold")
  await purser(["secret", "set", "big"], b)
  await proxy.happened()
  await agent.stop("SIGKILL")
  await node.wrote("stderr", /error: session with .* the connection was lost/)
  assert.equal(await readFile(join(directory, "big"), "utf8"), a)
  assert.deepEqual(await readdir(directory), ["big"])

  proxy.mend()
  const second = start(flags)
  await second.wrote("stdout", /"status":"ok"/)
  assert.equal(await readFile(join(directory, "big"), "utf8"), b)
  await purser(["audit", "verify"])
})

test("a node killed half-way through a body: the file stays whole, the next node gets it, and the agent comes back by itself", async (t) => {
  const { purser, node: startNode, start, base } = await processes(t)
  await purser(["secret", "set", "big"], a)
  const enrolment = await purser(["enrol", "web"])
  const directory = join(base, "secrets")
  const node = await startNode(enrolment, ["--directory", directory])
  const proxy = await startProxy(t, node.port)
  const agent = start(["agent", "--app", "web", "--secret", "big", "--node", proxy.address, "--json"])
  await agent.wrote("stdout", /"status":"ok"/)
  proxy.after(200_000, "hold")
  await purser(["secret", "set", "big"], b)
  await proxy.happened()
  await node.stop("SIGKILL")
  await agent.wrote("stdout", /"status":"failed"/)
  assert.equal(await readFile(join(directory, "big"), "utf8"), a)

  proxy.mend()
  await startNode(enrolment, ["--directory", directory, "--listen", node.address])
  await waitFor("the delivery", async () => (await readFile(join(directory, "big"), "utf8")) === b)
})

test("what a killed node left half-written is gone after the next start", async (t) => {
  const { purser, node: startNode, base } = await processes(t)
  const enrolment = await purser(["enrol", "web"])
  const directory = join(base, "secrets")
  const first = await startNode(enrolment, ["--directory", directory])
  await purser(["secret", "set", "db-password"], "swordfish")
  await purser(["agent", "--app", "web", "--secret", "db-password", "--node", first.address, "--once"])
  await first.stop("SIGKILL")
  await writeFile(temporaryIn(directory), "half of a secr")
  await startNode(enrolment, ["--directory", directory])
  assert.deepEqual(await readdir(directory), ["db-password"])
})
