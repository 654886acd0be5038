import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { createIdentity } from "../../src/channel/identity.ts"
import { createNode } from "../../src/node/node.ts"
import { processes } from "../support/processes.ts"
import { startTarpit } from "../support/proxy.ts"

/** One agent process and as many nodes as it serves at a time, and more. */

test("one agent serves a hundred nodes, sixty-four at a time, and nobody twice", async (t) => {
  const { purser, run, stateDir } = await processes(t)
  await purser(["secret", "set", "db-password"], "swordfish")
  const enrolment = await purser(["enrol", "web"])
  const count = 100
  const everybody = Promise.withResolvers<void>()
  let inSession = 0
  let most = 0
  const received: string[] = []
  const identity = createIdentity()
  const nodes = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const node = createNode({
        enrolment,
        identity,
        name: `node-${index}`,
        async steps(agent) {
          most = Math.max(most, ++inSession)
          // The first wave waits for one another: so many are served at the same time.
          if (inSession >= 32) everybody.resolve()
          await everybody.promise
          const file = await agent.file("db-password")
          if (file.status === "sent") received.push(file.content.revealText())
          inSession--
        },
      })
      t.after(() => node.close())
      const { port } = await node.listen({ host: "127.0.0.1", port: 0 })
      return `127.0.0.1:${port}`
    }),
  )
  const flags = nodes.flatMap((address) => ["--node", address])
  const { code, stdout, stderr } = await run([
    "agent",
    "--app",
    "web",
    "--secret",
    "db-password",
    ...flags,
    "--once",
    "--json",
  ])
  assert.equal(code, 0, stderr)
  assert.deepEqual(
    received,
    Array.from({ length: count }, () => "swordfish"),
  )
  assert.ok(most >= 32 && most <= 64, `${most} at a time`)
  const deliveries = stdout.split("\n").filter((line) => line.includes('"type":"delivery"'))
  assert.equal(deliveries.length, count)
  const audit = (await readFile(join(stateDir, "audit.log"), "utf8")).split("\n")
  assert.equal(audit.filter((line) => line.includes('"kind":"delivered"')).length, count)
  await purser(["audit", "verify"])
})

test("two hundred tarpits keep a process from no delivery to a node that it knows", async (t) => {
  const { purser, node: startNode, start, run, base } = await processes(t)
  await purser(["secret", "set", "db-password"], "one")
  const directory = join(base, "secrets")
  const node = await startNode(await purser(["enrol", "web"]), ["--directory", directory])
  const tarpit = await startTarpit(t, 200)
  const flags = ["agent", "--app", "web", "--secret", "db-password", "--json", "--node", node.address]
  assert.equal((await run([...flags, "--once"])).code, 0)
  await purser(["secret", "set", "db-password"], "two")
  const agent = start([...flags, ...tarpit.addresses.flatMap((address) => ["--node", address])])
  await agent.wrote("stdout", /"type":"delivery".*"status":"ok"/)
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "two")
  assert.equal(
    agent.lines().filter(({ type }) => type === "delivery").length,
    1,
    "before any tarpit ran out of time",
  )
  assert.ok(tarpit.connections() <= 32, "they get half of the slots")
  assert.equal(await agent.stop("SIGKILL"), null)
})
