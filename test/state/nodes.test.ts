import assert from "node:assert/strict"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import { stateFileIn } from "../../src/state/state.ts"
import { waitFor } from "../support/wait.ts"
import { begin, hour, pinA, pinB, place, sighting } from "./support.ts"

test("a node is stored with the times of its first sighting, last sighting and last delivery", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(sighting("10.0.0.1:1"))
  state.nodes.flush()
  clock.now = begin + hour
  state.nodes.record(sighting("10.0.0.1:1", { state: "failed", error: "the delivery has not ended" }))
  assert.deepEqual(
    state.nodes.list("web").map((node) => ({ ...node })),
    [
      {
        app: "web",
        address: "10.0.0.1:1",
        pin: pinA,
        name: "node-1",
        firstSeen: begin,
        lastSeen: begin + hour,
        lastDelivery: begin,
        state: "failed",
        error: "the delivery has not ended",
      },
    ],
  )
  assert.deepEqual(state.nodes.list("db"), [])
  assert.deepEqual(state.nodes.provenAddresses("web"), ["10.0.0.1:1"])
})

test("another pin at an address is a new node there", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(sighting("10.0.0.1:1"))
  state.nodes.flush()
  clock.now = begin + hour
  state.nodes.record(sighting("10.0.0.1:1", { pin: pinB }))
  assert.equal(state.nodes.pinAt("web", "10.0.0.1:1"), pinB)
  assert.equal(state.nodes.list()[0]?.firstSeen, begin + hour)
  assert.equal(state.nodes.pinAt("db", "10.0.0.1:1"), undefined)
})

test("a sighting is visible at once, and written with others a little later", async (t) => {
  const { dir, state } = await place(t)
  state.nodes.flush()
  const file = new DatabaseSync(stateFileIn(dir), { readOnly: true })
  t.after(() => file.close())
  const written = (): number => Number(file.prepare("SELECT count(*) AS count FROM nodes").get()?.["count"])
  for (let index = 0; index < 100; index++) state.nodes.record(sighting(`10.0.0.${index}:1`))
  assert.equal(written(), 0)
  assert.equal(state.nodes.countKnown("web"), 100)
  assert.equal(state.nodes.pinAt("web", "10.0.0.99:1"), pinA)
  await waitFor("what was seen to be written", () => written() === 100)
})

test("a delivery's time is kept although the next one failed before it was written", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(sighting("10.0.0.1:1", { state: "failed" }))
  state.nodes.record(sighting("10.0.0.1:1"))
  clock.now = begin + 100
  state.nodes.record(sighting("10.0.0.1:1", { state: "failed" }))
  assert.equal(state.nodes.list()[0]?.lastDelivery, begin)
  assert.equal(state.nodes.list()[0]?.state, "failed")
})

test("closing writes the sightings", async (t) => {
  const { state, again } = await place(t)
  state.nodes.record(sighting("10.0.0.1:1"))
  state[Symbol.dispose]()
  assert.equal(again().nodes.list().length, 1)
})

test("sightings that could not be written are written later, and do not end the process", async (t) => {
  const { dir, state } = await place(t)
  const other = new DatabaseSync(stateFileIn(dir))
  t.after(() => other.close())
  other.exec("CREATE TRIGGER full BEFORE INSERT ON nodes BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
  const failed = Promise.withResolvers<void>()
  const flush = state.nodes.flush.bind(state.nodes)
  state.nodes.flush = () => {
    try {
      flush()
    } catch (error) {
      failed.resolve()
      throw error
    }
  }
  state.nodes.record(sighting("10.0.0.1:1"))
  await failed.promise
  other.exec("DROP TRIGGER full")
  assert.equal(state.nodes.list().length, 1)
})

test("countAlive counts the nodes seen within the time, without the one at the given address", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(sighting("10.0.0.1:1"))
  clock.now = begin + hour
  state.nodes.record(sighting("10.0.0.2:1"))
  state.nodes.record(sighting("10.0.0.3:1"))
  state.nodes.record(sighting("10.0.0.4:1", { app: "db" }))
  assert.equal(state.nodes.countAlive("web", hour + 1, ""), 3)
  assert.equal(state.nodes.countAlive("web", hour, ""), 2)
  assert.equal(state.nodes.countAlive("web", hour, "10.0.0.2:1"), 1)
  assert.equal(state.nodes.countAlive("web", hour, "10.0.0.1:1"), 2)
  assert.equal(state.nodes.countKnown("web"), 3)
  clock.now = begin + 3 * hour
  assert.equal(state.nodes.countAlive("web", hour, ""), 0)
})

test("nodes seen while the clock was ahead do not count as alive for years", async (t) => {
  const { state, clock } = await place(t)
  clock.now = begin + 10_000 * hour
  state.nodes.record(sighting("10.0.0.1:1"))
  clock.now = begin
  assert.equal(state.nodes.countAlive("web", hour, ""), 0)
  state.nodes.record(sighting("10.0.0.1:1"))
  assert.equal(state.nodes.countAlive("web", hour, ""), 1)
})
