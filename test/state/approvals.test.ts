import assert from "node:assert/strict"
import { test } from "node:test"
import type { Pin } from "../../src/channel/pin.ts"
import { pinA, pinB, place } from "./support.ts"

test("a pin is pending, approved or rejected, separately for each app", async (t) => {
  const { state, again } = await place(t)
  const other = again()
  assert.equal(state.approvals.find("web", pinA), undefined)
  for (const app of ["web", "db"]) state.approvals.request(app, pinA, "10.0.0.1:1", "node-1")
  assert.equal(state.approvals.find("web", pinA), "pending")
  assert.deepEqual(other.approvals.decide(pinA, "approved", "web"), ["web"])
  assert.equal(state.approvals.find("web", pinA), "approved")
  assert.equal(state.approvals.find("db", pinA), "pending")
  assert.deepEqual(other.approvals.decide(pinA, "rejected").toSorted(), ["db", "web"])
  assert.equal(state.approvals.find("web", pinA), "rejected")
  assert.deepEqual(other.approvals.decide(pinB, "approved"), [])
})

test("asking again does not undo a decision", async (t) => {
  const { state } = await place(t)
  state.approvals.request("web", pinA, "10.0.0.1:1", "node-1")
  state.approvals.decide(pinA, "rejected")
  state.approvals.request("web", pinA, "10.0.0.1:1", "node-1")
  assert.equal(state.approvals.find("web", pinA), "rejected")
})

test("ever new pins at one address do not fill the disk, and delete no decision", async (t) => {
  const { state, clock } = await place(t)
  state.approvals.request("web", pinA, "10.0.0.1:1", "good")
  state.approvals.decide(pinA, "approved")
  state.approvals.request("web", pinB, "10.0.0.2:1", "elsewhere")
  const pins = Array.from({ length: 100 }, (_, index): Pin => `sha256:${String(index).padStart(43, "A")}`)
  for (const pin of pins) {
    clock.now++
    state.approvals.request("web", pin, "10.0.0.1:1", "stranger")
    assert.equal(state.approvals.find("web", pin), "pending")
  }
  assert.equal(state.approvals.list().length, 16 + 2)
  assert.equal(state.approvals.find("web", pins[84] as Pin), "pending")
  assert.equal(state.approvals.find("web", pins[83] as Pin), undefined)
  assert.equal(state.approvals.find("web", pinA), "approved")
  assert.equal(state.approvals.find("web", pinB), "pending")
})
