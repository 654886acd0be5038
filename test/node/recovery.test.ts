import assert from "node:assert/strict"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { parseReload, PurserError, runNode } from "../../src/index.ts"
import { startScript, type Child } from "../support/script.ts"
import { stage } from "./run-stage.ts"

/** A program that embeds a node, and dies during its first reload if its arguments say so. */
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

test("a program killed between the rename and the reload reloads once at its next start, before it accepts connections", async (t) => {
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

/** A node whose reload has failed and is therefore pending. */
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

test("a pending reload that fails at the start is logged as a warning, and the next delivery tries it again", async (t) => {
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

test("only the temporary files of a killed process are removed at the start", async (t) => {
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
