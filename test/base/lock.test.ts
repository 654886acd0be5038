import assert from "node:assert/strict"
import { stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { acquireLock, waitForLock } from "../../src/base/lock.ts"
import { startScript } from "../support/script.ts"
import { tempDir } from "../support/temp.ts"

const hold = `
const { acquireLock } = await import(src("base/lock.ts"))
const held = acquireLock(process.argv[1], "the place")
console.log("held")
process.stdin.once("data", () => { held[Symbol.dispose](); console.log("free") })
`

test("a second holder is refused, and the error names the first one's process", async (t) => {
  const file = join(await tempDir(t), "lock")
  const holder = startScript(t, hold, [file])
  assert.equal(await holder.line(), "held")
  assert.throws(() => acquireLock(file, "the place"), {
    code: "ERR_LOCKED",
    message: `the place is in use by process ${holder.pid}`,
  })
})

test("a released lock is free while its former holder still runs", async (t) => {
  const file = join(await tempDir(t), "lock")
  const holder = startScript(t, hold, [file])
  assert.equal(await holder.line(), "held")
  holder.process.stdin?.write("let go\n")
  assert.equal(await holder.line(), "free")
  using held = acquireLock(file, "the place")
  assert.ok(held)
  assert.equal(holder.process.exitCode, null)
})

test("a lock is free as soon as its holder is killed", async (t) => {
  const file = join(await tempDir(t), "lock")
  const holder = startScript(t, hold, [file])
  assert.equal(await holder.line(), "held")
  holder.process.kill("SIGKILL")
  assert.equal(await holder.ended(), "SIGKILL")
  using held = acquireLock(file, "the place")
  assert.ok(held)
})

test("a process cannot take a lock twice, and keeps it when it tries", async (t) => {
  const file = join(await tempDir(t), "lock")
  using held = acquireLock(file, "the place")
  assert.throws(() => acquireLock(file, "the place"), { code: "ERR_LOCKED" })
  const other = startScript(
    t,
    `const { acquireLock } = await import(src("base/lock.ts"))
    try { acquireLock(process.argv[1], "it"); console.log("got it") } catch (error) { console.log(error.message) }`,
    [file],
  )
  assert.equal(await other.line(), `it is in use by process ${process.pid}`)
  held[Symbol.dispose]()
  acquireLock(file, "the place")[Symbol.dispose]()
})

test(
  "the lock file and the pid file are readable only by their owner",
  { skip: process.platform === "win32" },
  async (t) => {
    const file = join(await tempDir(t), "lock")
    using _ = acquireLock(file, "the place")
    for (const name of [file, `${file}.pid`]) assert.equal((await stat(name)).mode & 0o777, 0o600, name)
  },
)

test("a lock file that cannot be created is ERR_STATE, not ERR_LOCKED", async (t) => {
  const dir = await tempDir(t)
  assert.throws(() => acquireLock(join(dir, "absent", "lock"), "it"), { code: "ERR_STATE" })
  const damaged = join(dir, "damaged")
  await writeFile(damaged, "x".repeat(5000))
  assert.throws(() => acquireLock(damaged, "it"), { code: "ERR_STATE", message: /^cannot lock / })
})

test("a waiting process gets the lock when it is released, or rejects with the signal", async (t) => {
  const file = join(await tempDir(t), "lock")
  const holder = startScript(t, hold, [file])
  assert.equal(await holder.line(), "held")
  const stop = new AbortController()
  const stopped = waitForLock(file, "the place", stop.signal)
  const waiting = waitForLock(file, "the place", new AbortController().signal)
  stop.abort()
  await assert.rejects(stopped, { name: "AbortError" })
  holder.process.stdin?.write("let go\n")
  using held = await waiting
  assert.ok(held)
  assert.equal(await holder.line(), "free")
})
