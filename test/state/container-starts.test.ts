import assert from "node:assert/strict"
import { test } from "node:test"
import { openState } from "../../src/state/state.ts"
import { tempDir } from "../support/temp.ts"

/** The records of container starts. */

const start = { app: "web", id: "a".repeat(64), startedAt: "2026-01-01T00:00:00.1Z" }
const later = { ...start, startedAt: "2026-01-01T00:00:00.2Z" }
const nothing = { isComplete: false, pendingReload: null }

test("the record of a start outlives the process, and belongs to that start alone", async (t) => {
  const dir = await tempDir(t)
  {
    using state = openState(dir)
    assert.deepEqual(state.containers.find(start), nothing)
    state.containers.remember(start, { isComplete: true, pendingReload: "HUP" })
  }
  using state = openState(dir)
  const { containers } = state
  assert.deepEqual(containers.find(start), { isComplete: true, pendingReload: "HUP" })
  for (const other of [later, { ...start, app: "db" }, { ...start, id: "b" }])
    assert.deepEqual(containers.find(other), nothing)
  containers.clearReload(start)
  assert.deepEqual(containers.find(start), { isComplete: true, pendingReload: null })
})

test("a new start replaces the previous one, and a late change of the previous one has no effect", async (t) => {
  using state = openState(await tempDir(t))
  const { containers } = state
  containers.remember(start, { isComplete: true, pendingReload: "restart" })
  containers.remember(later, { isComplete: false, pendingReload: "HUP" })
  containers.clearReload(start)
  assert.deepEqual(containers.find(start), nothing)
  assert.deepEqual(containers.find(later), { isComplete: false, pendingReload: "HUP" })
})

test("records of containers that no longer run are deleted", async (t) => {
  using state = openState(await tempDir(t))
  const { containers } = state
  const other = { ...start, id: "b".repeat(64) }
  for (const one of [start, other]) containers.remember(one, { isComplete: true, pendingReload: null })
  containers.keepOnly(new Set([other.id]))
  assert.deepEqual(containers.find(start), nothing)
  assert.equal(containers.find(other).isComplete, true)
})
