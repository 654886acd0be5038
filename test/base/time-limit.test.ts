import assert from "node:assert/strict"
import { getEventListeners, once } from "node:events"
import { test } from "node:test"
import { TimeLimit } from "../../src/base/time-limit.ts"

test("the signal aborts when the time is over", async () => {
  using limit = new TimeLimit(new AbortController().signal, 20)
  assert.equal(limit.signal.aborted, false)
  await once(limit.signal, "abort")
  assert.equal(limit.isOver, true)
  assert.equal((limit.signal.reason as Error).name, "TimeoutError")
})

test("the signal follows the outer one, with its reason", () => {
  const outer = new AbortController()
  using limit = new TimeLimit(outer.signal, 60_000)
  const reason = new Error("enough")
  outer.abort(reason)
  assert.equal(limit.signal.reason, reason)
  assert.equal(limit.isOver, false)
  using late = new TimeLimit(outer.signal, 60_000)
  assert.equal(late.signal.reason, reason)
})

test("disposing removes the timer and the listener", async () => {
  const outer = new AbortController()
  const limit = new TimeLimit(outer.signal, 10)
  limit[Symbol.dispose]()
  assert.equal(getEventListeners(outer.signal, "abort").length, 0)
  await once(AbortSignal.timeout(40), "abort")
  assert.equal(limit.signal.aborted, false)
})
