import assert from "node:assert/strict"
import { test } from "node:test"
import { EventQueue, type EngineEvent } from "../../src/docker/event-queue.ts"

const event = (id: number): EngineEvent => ({
  kind: "event",
  type: "volume",
  action: "create",
  id: String(id),
  attributes: {},
  timeNano: BigInt(id),
})

async function drain(queue: EventQueue): Promise<string[]> {
  const found: string[] = []
  for (let next = await queue.next(); next !== undefined; next = await queue.next()) {
    found.push(next.kind === "event" ? next.id : "list")
  }
  return found
}

test("events arrive in order, for a reader that waits and for one that comes later", async () => {
  const queue = new EventQueue(10)
  const early = queue.next()
  queue.push(event(1))
  queue.push(event(2))
  queue.end()
  assert.deepEqual([await early, await drain(queue)], [event(1), ["2"]])
  assert.equal(await queue.next(), undefined)
})

test("an overflow becomes one list, and no event after it is lost", async () => {
  const queue = new EventQueue(10)
  for (let id = 0; id < 25; id++) queue.push(event(id))
  queue.end()
  assert.deepEqual(await drain(queue), ["list", "19", "20", "21", "22", "23", "24"])
})

test("a failure is reported after the events before it", async () => {
  const queue = new EventQueue(10)
  queue.push(event(1))
  queue.fail(new Error("broken"))
  queue.end()
  assert.deepEqual(await queue.next(), event(1))
  await assert.rejects(queue.next(), /broken/)
})
