import assert from "node:assert/strict"
import { getEventListeners } from "node:events"
import { test } from "node:test"
import { untilAborted } from "../../src/base/abort.ts"

test("settles as the work does, and leaves no listener", async () => {
  const { signal } = new AbortController()
  assert.equal(await untilAborted(Promise.resolve(7), signal), 7)
  await assert.rejects(untilAborted(Promise.reject(new Error("no")), signal), /no/)
  assert.deepEqual(getEventListeners(signal, "abort"), [])
})

test("rejects with the signal's reason while the work continues, and ignores its late failure", async () => {
  const controller = new AbortController()
  const work = Promise.withResolvers<never>()
  const waiting = untilAborted(work.promise, controller.signal)
  const reason = new Error("stopped")
  controller.abort(reason)
  await assert.rejects(waiting, (error) => error === reason)
  work.reject(new Error("late"))
})

test("a signal that is already aborted wins over finished work", async () => {
  await assert.rejects(untilAborted(Promise.resolve(1), AbortSignal.abort(new Error("before"))), /before/)
})
