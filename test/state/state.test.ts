import assert from "node:assert/strict"
import { readdir, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import { openState, stateFileIn } from "../../src/state/state.ts"
import { tempDir } from "../support/temp.ts"
import { hour, pinA, pinB, place, same, sighting } from "./support.ts"

test("a failed write of the state names the reason, and a later write succeeds", async (t) => {
  const { dir, state } = await place(t)
  const token = state.tokens.current("web")
  const other = new DatabaseSync(stateFileIn(dir))
  t.after(() => other.close())
  // The trigger rolls back the transaction itself, as SQLite does on a full disk.
  other.exec("CREATE TRIGGER full BEFORE INSERT ON tokens BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END")
  for (const write of [() => state.tokens.current("db"), () => state.tokens.rotate("web", hour)]) {
    assert.throws(write, { code: "ERR_STATE", message: "cannot write the state: disk is full" })
  }
  same(state.tokens.valid("web"), [token])
  other.exec("DROP TRIGGER full")
  assert.equal(state.tokens.current("db").length, 32)
})

test("a node is forgotten by its pin or its address, for every app", async (t) => {
  const { state } = await place(t)
  for (const app of ["web", "db"]) state.nodes.record(sighting("10.0.0.1:1", { app }))
  state.nodes.record(sighting("10.0.0.2:1", { pin: pinB }))
  state.approvals.request("web", pinB, "10.0.0.2:1", "node-2")
  assert.equal(state.forget("10.0.0.1:1"), 2)
  assert.equal(state.forget("10.0.0.1:1"), 0)
  assert.equal(state.forget(pinB), 2)
  assert.deepEqual(state.nodes.list(), [])
  assert.deepEqual(state.approvals.list(), [])
})

test("a node forgotten by another process is soon unknown here", async (t) => {
  const { state, again, clock } = await place(t)
  state.nodes.record(sighting("10.0.0.1:1"))
  state.nodes.flush()
  assert.equal(again().forget("10.0.0.1:1"), 1)
  clock.now += 501
  assert.equal(state.nodes.countKnown("web"), 0)
  assert.equal(state.nodes.pinAt("web", "10.0.0.1:1"), undefined)
})

test("the revision changes with every decision of a command, and with no action of the agent itself", async (t) => {
  const { state, again } = await place(t)
  const other = again()
  state.nodes.record(sighting("10.0.0.1:1"))
  state.approvals.request("web", pinA, "10.0.0.1:1", "node-1")
  state.tokens.valid("web")
  state.nodes.flush()
  const decisions: [string, () => unknown][] = [
    ["enrol", () => other.tokens.current("web")],
    ["rotate", () => other.tokens.rotate("web", hour)],
    ["revoke", () => other.tokens.revoke("web")],
    ["approve", () => other.approvals.decide(pinA, "approved")],
    ["forget", () => other.forget(pinA)],
  ]
  assert.equal(state.revision(), 0)
  let before = 0
  for (const [what, decide] of decisions) {
    decide()
    assert.ok(state.revision() > before, what)
    before = state.revision()
  }
})

test(
  "the database is for its owner's eyes, with all that belongs to it",
  { skip: process.platform === "win32" },
  async (t) => {
    const { dir, state } = await place(t)
    state.tokens.current("web")
    const files = await readdir(dir)
    assert.deepEqual(files.toSorted(), ["state.sqlite", "state.sqlite-shm", "state.sqlite-wal"])
    for (const name of files) assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name)
  },
)

test("a state of a newer Purser is refused and not changed", async (t) => {
  const { dir, state } = await place(t)
  const token = state.tokens.current("web")
  state[Symbol.dispose]()
  const setVersion = (version: number): number => {
    using database = new DatabaseSync(stateFileIn(dir))
    const before = Number(database.prepare("PRAGMA user_version").get()?.["user_version"])
    database.exec(`PRAGMA user_version = ${version}`)
    return before
  }
  const current = setVersion(99)
  assert.throws(() => openState(dir), { code: "ERR_STATE", message: /was made by a newer Purser/ })
  assert.equal(setVersion(current), 99)
  using after = openState(dir)
  same(after.tokens.valid("web"), [token])
})

test("a file that is not a database is refused", async (t) => {
  const dir = await tempDir(t)
  await writeFile(stateFileIn(dir), "not a database\n".repeat(1000))
  assert.throws(() => openState(dir), { code: "ERR_STATE", message: /cannot open the state / })
})

test("a truncated database is refused", async (t) => {
  const { dir, state } = await place(t)
  for (let index = 0; index < 2000; index++)
    state.nodes.record(sighting(`10.0.${index >> 8}.${index & 255}:1`))
  state[Symbol.dispose]()
  const { size } = await stat(stateFileIn(dir))
  assert.ok(size > 100_000)
  await truncate(stateFileIn(dir), 65_536)
  assert.throws(() => openState(dir), { code: "ERR_STATE" })
})
