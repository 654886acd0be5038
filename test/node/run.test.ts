import assert from "node:assert/strict"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises"
import { once } from "node:events"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import {
  parseFileLines,
  parseReload,
  PurserError,
  runNode,
  type PurserNode,
  type RunPurserNodeOptions,
} from "../../src/index.ts"
import { checkHealth } from "../../src/node/health.ts"
import { home, testLog, type AgentSettings, type TestAgent } from "../support/pair.ts"
import { startScript, type Child } from "../support/script.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"

/** A node embedded in this process, served by an agent beside it. */

interface Running {
  readonly node: PurserNode
  readonly port: number
  readonly ended: Promise<number>
  readonly stop: () => Promise<number>
}

async function stage(t: TestContext) {
  const base = await tempDir(t)
  const directory = join(base, "secrets")
  const place = await home(t)
  const enrolment = await place.enrol()
  const said = testLog()
  return {
    base,
    directory,
    enrolment,
    said,
    agentAt: (port: number, settings: AgentSettings = {}): Promise<TestAgent> =>
      place.agent({ nodes: [`127.0.0.1:${port}`], ...settings }),
    /** Resolves once it can be served. */
    start: async (options: Partial<RunPurserNodeOptions> = {}): Promise<Running> => {
      const stopping = new AbortController()
      const ready = Promise.withResolvers<{ node: PurserNode; port: number }>()
      const ended = runNode(
        {
          enrolment,
          directory,
          log: said.log,
          listen: { host: "127.0.0.1", port: 0 },
          onReady: (node, address) => ready.resolve({ node, port: address?.port ?? 0 }),
          ...options,
        },
        stopping.signal,
      )
      const stop = async (): Promise<number> => {
        stopping.abort()
        return await ended
      }
      t.after(() => stop().catch(() => {}))
      ended.catch(ready.reject)
      return { ...(await ready.promise), ended, stop }
    },
  }
}

/** A program that embeds a node, and dies within its first reload where its arguments say so. */
const embedding = `
const { appendFileSync } = await import("node:fs")
const { parseReload, runNode } = await import(src("index.ts"))
const [enrolment, directory, diary, dies] = process.argv.slice(1)
await runNode(
  {
    enrolment,
    directory,
    listen: { host: "127.0.0.1", port: 0 },
    reload: parseReload("HUP"),
    async runReload() {
      if (dies === "dies") process.kill(process.pid, "SIGKILL")
      appendFileSync(diary, "reloaded\\n")
    },
    onReady: (_node, { port }) => console.log(port),
  },
  new AbortController().signal,
)
`

test("a program that is killed between the rename and the reload reloads at its next start, once, before it can be served", async (t) => {
  const { base, directory, enrolment, agentAt } = await stage(t)
  const diary = join(base, "diary")
  const start = async (...more: string[]): Promise<{ child: Child; port: number }> => {
    const child = startScript(t, embedding, [enrolment, directory, diary, ...more])
    return { child, port: Number(await child.line()) }
  }
  const first = await start("dies")
  const agent = await agentAt(first.port)
  assert.equal((await agent.round())[0]?.status, "ok", "nobody uses the files yet, so there is no reload")
  agent.catalogue.set("db-password", "two")
  assert.equal((await agent.round())[0]?.status, "failed")
  assert.equal(await first.child.ended(), "SIGKILL")
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "two")
  assert.equal(existsSync(diary), false)
  await start()
  assert.equal(readFileSync(diary, "utf8"), "reloaded\n")
  await start()
  assert.equal(readFileSync(diary, "utf8"), "reloaded\n")
})

/** A node whose reload has failed, so that it is pending. */
async function withPendingReload(t: TestContext) {
  const place = await stage(t)
  const reload = parseReload("HUP")
  const { port, stop } = await place.start({
    reload,
    runReload: () => Promise.reject(new PurserError("ERR_RELOAD", "not today")),
  })
  await using agent = await place.agentAt(port)
  await agent.round()
  agent.catalogue.set("db-password", "two")
  assert.match((await agent.round())[0]?.error?.message ?? "", /not today/)
  await stop()
  return { ...place, reload }
}

test("a pending reload that fails at the start is a warning, and the next delivery tries it again", async (t) => {
  const { start, said, reload, agentAt } = await withPendingReload(t)
  let tries = 0
  const { port } = await start({
    reload,
    async runReload() {
      if (++tries === 1) throw new PurserError("ERR_RELOAD", "still not")
    },
  })
  assert.match(said.text(), /warn: still not/)
  const agent = await agentAt(port, { secrets: { "db-password": "two" } })
  const [delivery] = await agent.round()
  assert.deepEqual([delivery?.status, delivery?.matched, tries], ["ok", 1, 2])
})

test("a signal during a pending reload ends the node, and the reload stays pending", async (t) => {
  const { start, enrolment, directory, reload } = await withPendingReload(t)
  const stopping = new AbortController()
  const reloading = Promise.withResolvers<void>()
  const ended = runNode(
    {
      enrolment,
      directory,
      reload,
      runReload: (_reload, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason))
          reloading.resolve()
        }),
      onReady: () => assert.fail("it came to listen"),
    },
    stopping.signal,
  )
  await Promise.race([reloading.promise, ended])
  stopping.abort()
  assert.equal(await ended, 0)
  let ran = 0
  await start({ reload, runReload: async () => void ran++ })
  assert.equal(ran, 1)
})

test("what a killed process left half-written is removed at the start, and nothing else", async (t) => {
  const { directory, start } = await stage(t)
  await mkdir(join(directory, "below"), { recursive: true })
  const stale = ".purser-0123456789abcdef.tmp"
  for (const path of [stale, `below/${stale}`, ".purser-other.tmp", "mine"])
    await writeFile(join(directory, path), "half")
  const { stop } = await start()
  const found = await readdir(directory, { recursive: true })
  assert.deepEqual(found.toSorted(), [".purser-other.tmp", "below", "mine"])
  assert.equal(await stop(), 0)
})

test("the status file tells purser health what is required, from the start to the end", async (t) => {
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

test("with once it ends after the first complete delivery, and its status stays good", async (t) => {
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

test("an application that is not ready for its files fails the delivery", async (t) => {
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

test("a signal or restart without a command fails, and is not taken for done", async (t) => {
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

test("a signal that was given before the start is obeyed", async (t) => {
  const { directory, enrolment } = await stage(t)
  const onReady = (): void => assert.fail("it came to listen")
  assert.equal(await runNode({ enrolment, directory, onReady }, AbortSignal.abort()), 0)
})
