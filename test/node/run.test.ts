import assert from "node:assert/strict"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { test } from "node:test"
import { parseFileLines, parseReload, PurserError, runNode } from "../../src/index.ts"
import { checkHealth } from "../../src/node/health.ts"
import { waitFor } from "../support/wait.ts"
import { stage } from "./run-stage.ts"

test("the status file lists the required files from the start to the end", async (t) => {
  const { base, directory, start, agentAt } = await stage(t)
  const statusFile = join(base, "status.json")
  const files = parseFileLines(["db-password", "extra optional"])
  const { port, stop } = await start({ statusFile, files })
  await assert.rejects(checkHealth(statusFile), {
    code: "ERR_UNHEALTHY",
    message: `not in place: ${join(directory, "db-password")}`,
  })
  const agent = await agentAt(port)
  await agent.round()
  await checkHealth(statusFile)
  const { process: writer } = JSON.parse(await readFile(statusFile, "utf8")) as { process?: { pid: number } }
  assert.equal(writer?.pid, process.platform === "linux" ? process.pid : undefined)
  await stop()
  assert.equal(existsSync(statusFile), false)
})

test("with once it ends after the first complete delivery, and its status stays healthy", async (t) => {
  const { base, start, agentAt } = await stage(t)
  const statusFile = join(base, "status.json")
  const { port, ended } = await start({ statusFile, once: true })
  const agent = await agentAt(port)
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(await ended, 0)
  await checkHealth(statusFile)
})

test("onComplete is called at the start when the files are there, and after each complete delivery", async (t) => {
  const { directory, start, agentAt } = await stage(t)
  const path = join(directory, "db-password")
  const completed: (readonly string[])[] = []
  const options = {
    files: parseFileLines(["db-password", "extra optional"]),
    onComplete: (required: readonly string[]) => void completed.push(required),
  }
  const first = await start(options)
  assert.deepEqual(completed, [])
  const agent = await agentAt(first.port)
  await agent.round()
  await agent.round()
  assert.deepEqual(completed, [[path], [path]])
  await first.stop()
  await start(options)
  await waitFor("the third call", () => completed.length === 3)
})

test("the delivery fails when onComplete rejects", async (t) => {
  const { start, agentAt } = await stage(t)
  const sessions: unknown[] = []
  const { port } = await start({
    onComplete: () => Promise.reject(new PurserError("ERR_CHILD", "the pool is full")),
    onSession: (error) => sessions.push(error),
  })
  const agent = await agentAt(port)
  assert.match((await agent.round())[0]?.error?.message ?? "", /the pool is full/)
  await waitFor("the end of the session", () => sessions.length === 1)
  assert.match(String(sessions[0]), /the pool is full/)
})

test("a signal or restart without a command fails the delivery", async (t) => {
  const { start, agentAt } = await stage(t)
  for (const reload of ["HUP", "restart"]) {
    const { port, stop } = await start({ reload: parseReload(reload) })
    await using agent = await agentAt(port, { secrets: { "db-password": reload } })
    await agent.round()
    agent.catalogue.set("db-password", `${reload} again`)
    const [delivery] = await agent.round()
    assert.match(delivery?.error?.message ?? "", /needs a command or a container/)
    await stop()
  }
})

const fixture = join(import.meta.dirname, "../fixtures/child.mjs")

test("the command starts once the files are there, and is stopped when the node is", async (t) => {
  const { base, start, agentAt } = await stage(t)
  const diary = join(base, "diary")
  let commands = 0
  const { port, stop } = await start({
    command: [process.execPath, fixture, diary],
    onCommandStart: () => commands++,
  })
  assert.equal(existsSync(diary), false)
  const agent = await agentAt(port)
  await agent.round()
  await waitFor("the command", () => existsSync(diary) && readFileSync(diary, "utf8").endsWith("ready\n"))
  await agent.round()
  assert.equal(commands, 1)
  assert.equal(await stop(), 0)
  assert.equal(readFileSync(diary, "utf8"), "start clean\nready\nSIGTERM\n")
})

test("a command that ends by itself ends the node with its exit code", async (t) => {
  const { start, agentAt } = await stage(t)
  const { port, ended } = await start({ command: [process.execPath, "--eval", "process.exitCode = 9"] })
  const agent = await agentAt(port)
  await agent.round()
  assert.equal(await ended, 9)
})

test("with listen: null the application's own server hands over its connections", async (t) => {
  const { directory, start, agentAt } = await stage(t)
  const { node } = await start({ listen: null })
  const server = createServer((socket) => node.handle(socket)).listen(0, "127.0.0.1")
  t.after(() => server.close())
  await once(server, "listening")
  const agent = await agentAt((server.address() as AddressInfo).port)
  assert.equal((await agent.round())[0]?.status, "ok")
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "swordfish")
})

test("a node that cannot listen is an error, and leaves no status", async (t) => {
  const { base, start } = await stage(t)
  const { port } = await start()
  const statusFile = join(base, "status.json")
  await assert.rejects(start({ statusFile, listen: { host: "127.0.0.1", port } }), { code: "ERR_LISTEN" })
  assert.equal(existsSync(statusFile), false)
})

test("a signal that is aborted before the start ends the node", async (t) => {
  const { directory, enrolment } = await stage(t)
  const onReady = (): void => assert.fail("it came to listen")
  assert.equal(await runNode({ enrolment, directory, onReady }, AbortSignal.abort()), 0)
})
