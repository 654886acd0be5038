import assert from "node:assert/strict"
import { test } from "node:test"
import { Schedule } from "../../../src/agent/targets/schedule.ts"

/** A schedule whose turns end when the test says so. */
function scheduleOf({ slots = 4, once = false }: { slots?: number; once?: boolean } = {}) {
  const started: string[] = []
  const running = new Map<string, (succeeded: boolean) => void>()
  const schedule = new Schedule<string>({
    pace: () => ({ slots, everyMs: 1000, retry: { firstMs: 100, maxMs: 400 } }),
    once,
    serve: (target) => {
      started.push(target)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      running.set(target, resolve)
      return promise
    },
  })
  const end = async (target: string, succeeded = true): Promise<void> => {
    const finish = running.get(target)
    assert.ok(finish, `${target} is running`)
    running.delete(target)
    finish(succeeded)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { schedule, started, running, end }
}

test("a target is served at once when it is added, and only once", () => {
  const { schedule, started } = scheduleOf()
  schedule.add("a", "a", { proven: false })
  schedule.add("a", "a", { proven: false })
  assert.deepEqual(started, ["a"])
})

test("targets that never succeeded get at most half of the slots, proven ones all", () => {
  const { schedule, started } = scheduleOf({ slots: 4 })
  for (let i = 0; i < 100; i++) schedule.add(`tarpit-${i}`, `tarpit-${i}`, { proven: false })
  assert.equal(started.length, 2)
  for (const name of ["good-1", "good-2", "good-3"]) schedule.add(name, name, { proven: true })
  assert.deepEqual(started.slice(2), ["good-1", "good-2"])
})

test("a new target that succeeded counts as proven from then on", async () => {
  const { schedule, started, end } = scheduleOf({ slots: 2 })
  schedule.add("first", "first", { proven: false })
  schedule.add("second", "second", { proven: false })
  assert.deepEqual(started, ["first"])
  await end("first")
  assert.deepEqual(started, ["first", "second"])
  schedule.dueNow((target) => target === "first")
  assert.deepEqual(started, ["first", "second", "first"], "it takes the slot that a new one may not have")
})

test("a slow target delays no other", async () => {
  const { schedule, started, end } = scheduleOf({ slots: 2 })
  for (const name of ["slow", "a", "b", "c"]) schedule.add(name, name, { proven: true })
  for (const name of ["a", "b", "c"]) await end(name)
  assert.deepEqual(started, ["slow", "a", "b", "c"])
})

test("failures are retried after a delay that doubles up to its limit, successes after everyMs", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  const { schedule, started, end } = scheduleOf()
  schedule.add("a", "a", { proven: true })
  for (const [longest, least] of [
    [100, 50],
    [200, 100],
    [400, 200],
    [400, 200],
  ] as const) {
    const before = started.length
    await end("a", false)
    t.mock.timers.tick(least - 1)
    assert.equal(started.length, before, `not before ${least} ms`)
    t.mock.timers.tick(longest - least + 1)
    assert.equal(started.length, before + 1, `within ${longest} ms`)
  }
  await end("a", true)
  t.mock.timers.tick(899)
  const before = started.length
  t.mock.timers.tick(101)
  assert.equal(started.length, before + 1)
})

test("a target that becomes due while it is served gets another turn right after", async () => {
  const { schedule, started, end } = scheduleOf()
  schedule.add("a", "a", { proven: true })
  schedule.dueNow(() => true)
  schedule.dueNow(() => true)
  assert.deepEqual(started, ["a"])
  await end("a", false)
  assert.deepEqual(started, ["a", "a"])
})

test("a removed target does not come back, and stop waits for the turns in progress", async () => {
  const { schedule, started, end } = scheduleOf()
  schedule.add("a", "a", { proven: true })
  schedule.add("b", "b", { proven: true })
  schedule.remove("a")
  await end("a")
  assert.equal(schedule.has("a"), false)
  const stopped = schedule.stop()
  schedule.add("late", "late", { proven: true })
  let isStopped = false
  void stopped.then(() => (isStopped = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isStopped, false)
  await end("b")
  await stopped
  assert.deepEqual(started, ["a", "b"])
})

test("with once every target is served once, and idle resolves after the last", async () => {
  const { schedule, started, end } = scheduleOf({ once: true, slots: 2 })
  for (const name of ["a", "b", "c"]) schedule.add(name, name, { proven: true })
  const idle = schedule.idle()
  await end("a", false)
  await end("b")
  await end("c")
  await idle
  assert.deepEqual(started, ["a", "b", "c"])
})

test("ten thousand targets are served with sixty-four at a time", async () => {
  let running = 0
  let most = 0
  const schedule = new Schedule<number>({
    pace: () => ({ slots: 64, everyMs: 1_000_000, retry: { firstMs: 1000, maxMs: 1000 } }),
    once: true,
    serve: async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return true
    },
  })
  for (let i = 0; i < 10_000; i++) schedule.add(String(i), i, { proven: true })
  await schedule.idle()
  assert.equal(most, 64)
  assert.equal(schedule.size, 10_000)
})

test("ten thousand targets that never end keep no known one waiting, and take turns as they fail", async () => {
  const { schedule, started, end } = scheduleOf({ slots: 64 })
  for (let i = 0; i < 10_000; i++) schedule.add(`tarpit-${i}`, `tarpit-${i}`, { proven: false })
  assert.equal(started.length, 32)
  for (let i = 0; i < 32; i++) schedule.add(`good-${i}`, `good-${i}`, { proven: true })
  assert.deepEqual(
    started.slice(32),
    Array.from({ length: 32 }, (_, i) => `good-${i}`),
  )
  schedule.add("new", "new", { proven: false })
  await end("tarpit-0", false)
  assert.equal(started.at(-1), "tarpit-32", "whoever came first")
  for (let i = 0; i < 32; i++) await end(`good-${i}`)
  assert.equal(started.length, 65, "slots that known targets leave are not for the new ones")
})
