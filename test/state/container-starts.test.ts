import assert from "node:assert/strict"
import { test } from "node:test"
import { openState } from "../../src/state/state.ts"
import { tempDir } from "../support/temp.ts"

/** What was delivered to which start of a container. */

const start = { app: "web", id: "a".repeat(64), startedAt: "2026-01-01T00:00:00.1Z" }
const later = { ...start, startedAt: "2026-01-01T00:00:00.2Z" }
const nothing = { isComplete: false, pendingReload: null }

test("what is remembered of a start outlives the process, and is nobody else's", async (t) => {
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

test("another start takes the place of the one before, and what comes late for that one changes nothing", async (t) => {
  using state = openState(await tempDir(t))
  const { containers } = state
  containers.remember(start, { isComplete: true, pendingReload: "restart" })
  containers.remember(later, { isComplete: false, pendingReload: "HUP" })
  containers.clearReload(start)
  assert.deepEqual(containers.find(start), nothing)
  assert.deepEqual(containers.find(later), { isComplete: false, pendingReload: "HUP" })
})

test("what was remembered goes with the containers that run no more", async (t) => {
  using state = openState(await tempDir(t))
  const { containers } = state
  const other = { ...start, id: "b".repeat(64) }
  for (const one of [start, other]) containers.remember(one, { isComplete: true, pendingReload: null })
  containers.keepOnly(new Set([other.id]))
  assert.deepEqual(containers.find(start), nothing)
  assert.equal(containers.find(other).isComplete, true)
})
