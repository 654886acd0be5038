import assert from "node:assert/strict"
import { test } from "node:test"
import { DueTimer } from "../../../src/sources/ca/due-timer.ts"

const dayMs = 86_400_000

test("calls once after 90 days, longer than Node's longest timer, and asks on the way", (t) => {
  // The timers are mocked, because the wait would be too long.
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] })
  using timer = new DueTimer()
  const due = Date.now() + 90 * dayMs
  const calls: number[] = []
  timer.set(
    () => due - Date.now(),
    () => calls.push(Date.now()),
  )
  for (let day = 1; day < 90; day++) t.mock.timers.tick(dayMs)
  assert.deepEqual(calls, [])
  t.mock.timers.tick(dayMs)
  assert.deepEqual(calls, [due])
})

test("setting it again, or disposing of it, cancels the earlier call", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  const calls: string[] = []
  const timer = new DueTimer()
  timer.set(
    () => 1000,
    () => calls.push("first"),
  )
  timer.set(
    () => 2000,
    () => calls.push("second"),
  )
  t.mock.timers.tick(3000)
  assert.deepEqual(calls, ["second"])
  timer.set(
    () => 1000,
    () => calls.push("third"),
  )
  timer[Symbol.dispose]()
  t.mock.timers.tick(3000)
  assert.deepEqual(calls, ["second"])
})
