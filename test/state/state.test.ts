import assert from "node:assert/strict"
import { readdir, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test, type TestContext } from "node:test"
import type { NodeSighting } from "../../src/state/nodes.ts"
import { openState, stateFileIn, type State } from "../../src/state/state.ts"
import { createIdentity } from "../../src/channel/identity.ts"
import type { Pin } from "../../src/channel/pin.ts"
import { startScript } from "../support/script.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"

const second = 1000
const hour = 3_600_000
const begin = Date.UTC(2026, 0, 1)

/** A state whose clock the test sets. */
async function place(
  t: TestContext,
): Promise<{ dir: string; state: State; clock: { now: number }; again: () => State }> {
  const dir = await tempDir(t)
  const clock = { now: begin }
  const open = (): State => {
    const state = openState(dir, { now: () => clock.now })
    t.after(() => state[Symbol.dispose]())
    return state
  }
  return { dir, clock, state: open(), again: open }
}

function seen(address: string, settings: Partial<NodeSighting> = {}): NodeSighting {
  return { app: "web", address, pin: pinA, name: "node-1", state: "ok", error: null, ...settings }
}

const pinA = createIdentity().pin
const pinB = createIdentity().pin
const same = (actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void =>
  assert.deepEqual(
    actual.map((one) => Buffer.from(one).toString("hex")),
    expected.map((one) => Buffer.from(one).toString("hex")),
  )

// Enrolment.

test("an app is given the same token twice, and each app its own", async (t) => {
  const { state, again } = await place(t)
  const token = state.tokens.current("web")
  assert.equal(token.length, 32)
  same([state.tokens.current("web"), again().tokens.current("web")], [token, token])
  same(state.tokens.valid("web"), [token])
  assert.notDeepEqual(state.tokens.current("db"), token)
})

test("an app that was never enrolled has no token", async (t) => {
  const { state } = await place(t)
  state.tokens.current("web")
  assert.deepEqual(state.tokens.valid("db"), [])
})

test("after a rotation the old token is good for the overlap, and not a millisecond longer", async (t) => {
  const { state, clock } = await place(t)
  const old = state.tokens.current("web")
  const fresh = state.tokens.rotate("web", hour)
  assert.notDeepEqual(fresh, old)
  same([state.tokens.current("web")], [fresh])
  for (const after of [0, hour / 2, hour - 1]) {
    clock.now = begin + after
    same(state.tokens.valid("web"), [fresh, old])
  }
  clock.now = begin + hour
  same(state.tokens.valid("web"), [fresh])
})

test("a second rotation does not lengthen what the first one left", async (t) => {
  const { state, clock } = await place(t)
  const first = state.tokens.current("web")
  const middle = state.tokens.rotate("web", hour)
  const last = state.tokens.rotate("web", 10 * hour)
  same(state.tokens.valid("web"), [last, middle, first])
  clock.now = begin + hour
  same(state.tokens.valid("web"), [last, middle])
})

test("a second rotation with a shorter overlap shortens that of the first", async (t) => {
  const { state } = await place(t)
  state.tokens.current("web")
  state.tokens.rotate("web", hour)
  const last = state.tokens.rotate("web", 0)
  same(state.tokens.valid("web"), [last])
})

test("revoking ends every token at once, for every process, and the next one is new", async (t) => {
  const { state, again } = await place(t)
  const other = again()
  const old = state.tokens.current("web")
  const kept = state.tokens.current("db")
  state.tokens.rotate("web", hour)
  assert.equal(state.tokens.valid("web").length, 2)
  assert.equal(other.tokens.revoke("web"), 2)
  assert.deepEqual(state.tokens.valid("web"), [])
  same(state.tokens.valid("db"), [kept])
  assert.equal(other.tokens.revoke("web"), 0)
  assert.notDeepEqual(state.tokens.current("web"), old)
})

test("what another process enrolled counts at once", async (t) => {
  const { state, again } = await place(t)
  assert.deepEqual(state.tokens.valid("web"), [])
  const token = again().tokens.current("web")
  same(state.tokens.valid("web"), [token])
  const fresh = again().tokens.rotate("web", hour)
  same(state.tokens.valid("web"), [fresh, token])
})

test("a clock that is set back does not bring an expired token back", async (t) => {
  const { state, clock, again } = await place(t)
  state.tokens.current("web")
  const fresh = state.tokens.rotate("web", 30 * second)
  clock.now = begin + 30 * second
  same(state.tokens.valid("web"), [fresh])
  for (const now of [begin + 29 * second, begin, begin - 1000 * hour]) {
    clock.now = now
    same(state.tokens.valid("web"), [fresh])
    same(again().tokens.valid("web"), [fresh])
  }
})

test("a clock that is set back does not lengthen an overlap in a running process", async (t) => {
  const { state, clock } = await place(t)
  state.tokens.current("web")
  state.tokens.rotate("web", hour)
  clock.now = begin + hour - 10 * second
  assert.equal(state.tokens.valid("web").length, 2)
  clock.now = begin - hour
  assert.equal(state.tokens.valid("web").length, 2)
  clock.now = begin + hour
  assert.equal(state.tokens.valid("web").length, 1)
})

test("a clock that jumps ahead and back ends overlaps early, and leaves the current token", async (t) => {
  const { state, clock, again } = await place(t)
  state.tokens.current("web")
  const fresh = state.tokens.rotate("web", hour)
  clock.now = begin + 1000 * hour
  same(state.tokens.valid("web"), [fresh])
  clock.now = begin
  const next = again().tokens.rotate("web", hour)
  same(state.tokens.valid("web"), [next, fresh])
})

test("an overlap ends in its time although the clock was years ahead before", async (t) => {
  const { state, clock, again } = await place(t)
  const agent = again()
  state.tokens.current("web")
  clock.now = begin + 100_000 * hour
  assert.equal(agent.tokens.valid("web").length, 1)
  assert.equal(state.tokens.valid("web").length, 1)
  clock.now = begin
  const fresh = state.tokens.rotate("web", hour)
  clock.now = begin + hour - second
  for (const one of [state, agent]) assert.equal(one.tokens.valid("web").length, 2)
  clock.now = begin + hour
  for (const one of [state, agent]) same(one.tokens.valid("web"), [fresh])
  same(again().tokens.valid("web"), [fresh])
})

test("a rotation after the clock was set back revives no other app's token", async (t) => {
  const { state, clock, again } = await place(t)
  state.tokens.current("db")
  const fresh = state.tokens.rotate("db", hour)
  // Nobody asks for the tokens of db while its old one runs out.
  clock.now = begin + 2 * hour
  state.tokens.valid("web")
  clock.now = begin
  state.tokens.rotate("web", hour)
  same(again().tokens.valid("db"), [fresh])
})

test("an overlap ends while the agent runs, although the clock was set back or stands still", async (t) => {
  const dir = await tempDir(t)
  const clock = { now: begin, uptime: 5.5 }
  const state = openState(dir, { now: () => clock.now, uptime: () => clock.uptime })
  t.after(() => state[Symbol.dispose]())
  state.tokens.current("web")
  const fresh = state.tokens.rotate("web", hour)
  clock.now = begin - 1000 * hour
  clock.uptime += hour - second
  assert.equal(state.tokens.valid("web").length, 2)
  clock.uptime += second
  same(state.tokens.valid("web"), [fresh])
})

test("a state that cannot be written says why, and goes on when it can be again", async (t) => {
  const { dir, state } = await place(t)
  const token = state.tokens.current("web")
  const other = new DatabaseSync(stateFileIn(dir))
  t.after(() => other.close())
  // As SQLite does it on a full disk: it has ended the transaction itself.
  other.exec("CREATE TRIGGER full BEFORE INSERT ON tokens BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END")
  for (const write of [() => state.tokens.current("db"), () => state.tokens.rotate("web", hour)]) {
    assert.throws(write, { code: "ERR_STATE", message: "cannot write the state: disk is full" })
  }
  same(state.tokens.valid("web"), [token])
  other.exec("DROP TRIGGER full")
  assert.equal(state.tokens.current("db").length, 32)
})

test("processes that enrol an app at once are given one token", async (t) => {
  const dir = await tempDir(t)
  const code = `
const { openState } = await import(src("state/state.ts"))
console.log("ready")
await new Promise((resolve) => process.stdin.once("data", resolve))
process.stdin.destroy()
const state = openState(process.argv[1])
console.log(state.tokens.current("web").toString("hex"))
`
  const children = [1, 2, 3, 4].map(() => startScript(t, code, [dir]))
  await Promise.all(children.map((child) => child.line()))
  for (const child of children) child.process.stdin?.write("go\n")
  const tokens = await Promise.all(children.map((child) => child.line()))
  assert.match(tokens[0] ?? "", /^[0-9a-f]{64}$/)
  assert.deepEqual(new Set(tokens).size, 1)
  assert.deepEqual(await Promise.all(children.map((child) => child.ended())), [0, 0, 0, 0])
})

// Nodes.

test("a node is remembered with when it was first seen, last seen, and last served", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(seen("10.0.0.1:1"))
  state.nodes.flush()
  clock.now = begin + hour
  state.nodes.record(seen("10.0.0.1:1", { state: "failed", error: "the delivery has not ended" }))
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
  state.nodes.record(seen("10.0.0.1:1"))
  state.nodes.flush()
  clock.now = begin + hour
  state.nodes.record(seen("10.0.0.1:1", { pin: pinB }))
  assert.equal(state.nodes.pinAt("web", "10.0.0.1:1"), pinB)
  assert.equal(state.nodes.list()[0]?.firstSeen, begin + hour)
  assert.equal(state.nodes.pinAt("db", "10.0.0.1:1"), undefined)
})

test("what is seen is known at once, and written with others a little later", async (t) => {
  const { dir, state } = await place(t)
  state.nodes.flush()
  const file = new DatabaseSync(stateFileIn(dir), { readOnly: true })
  t.after(() => file.close())
  const written = (): number => Number(file.prepare("SELECT count(*) AS count FROM nodes").get()?.["count"])
  for (let index = 0; index < 100; index++) state.nodes.record(seen(`10.0.0.${index}:1`))
  assert.equal(written(), 0)
  assert.equal(state.nodes.countKnown("web"), 100)
  assert.equal(state.nodes.pinAt("web", "10.0.0.99:1"), pinA)
  await waitFor("what was seen to be written", () => written() === 100)
})

test("a delivery is remembered although the next one failed before it was written", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(seen("10.0.0.1:1", { state: "failed" }))
  state.nodes.record(seen("10.0.0.1:1"))
  clock.now = begin + 100
  state.nodes.record(seen("10.0.0.1:1", { state: "failed" }))
  assert.equal(state.nodes.list()[0]?.lastDelivery, begin)
  assert.equal(state.nodes.list()[0]?.state, "failed")
})

test("closing writes what was seen", async (t) => {
  const { state, again } = await place(t)
  state.nodes.record(seen("10.0.0.1:1"))
  state[Symbol.dispose]()
  assert.equal(again().nodes.list().length, 1)
})

test("what could not be written is written later, and ends no process", async (t) => {
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
  state.nodes.record(seen("10.0.0.1:1"))
  await failed.promise
  other.exec("DROP TRIGGER full")
  assert.equal(state.nodes.list().length, 1)
})

test("alive are those seen within the time, without the one at the address that is asked for", async (t) => {
  const { state, clock } = await place(t)
  state.nodes.record(seen("10.0.0.1:1"))
  clock.now = begin + hour
  state.nodes.record(seen("10.0.0.2:1"))
  state.nodes.record(seen("10.0.0.3:1"))
  state.nodes.record(seen("10.0.0.4:1", { app: "db" }))
  assert.equal(state.nodes.countAlive("web", hour + 1, ""), 3)
  assert.equal(state.nodes.countAlive("web", hour, ""), 2)
  assert.equal(state.nodes.countAlive("web", hour, "10.0.0.2:1"), 1)
  assert.equal(state.nodes.countAlive("web", hour, "10.0.0.1:1"), 2)
  assert.equal(state.nodes.countKnown("web"), 3)
  clock.now = begin + 3 * hour
  assert.equal(state.nodes.countAlive("web", hour, ""), 0)
})

test("those seen while the clock was wrong do not count as alive for years", async (t) => {
  const { state, clock } = await place(t)
  clock.now = begin + 10_000 * hour
  state.nodes.record(seen("10.0.0.1:1"))
  clock.now = begin
  assert.equal(state.nodes.countAlive("web", hour, ""), 0)
  state.nodes.record(seen("10.0.0.1:1"))
  assert.equal(state.nodes.countAlive("web", hour, ""), 1)
})

test("a node is forgotten by its pin or its address, for every app", async (t) => {
  const { state } = await place(t)
  for (const app of ["web", "db"]) state.nodes.record(seen("10.0.0.1:1", { app }))
  state.nodes.record(seen("10.0.0.2:1", { pin: pinB }))
  state.approvals.request("web", pinB, "10.0.0.2:1", "node-2")
  assert.equal(state.forget("10.0.0.1:1"), 2)
  assert.equal(state.forget("10.0.0.1:1"), 0)
  assert.equal(state.forget(pinB), 2)
  assert.deepEqual(state.nodes.list(), [])
  assert.deepEqual(state.approvals.list(), [])
})

test("what another process forgot is soon unknown here", async (t) => {
  const { state, again, clock } = await place(t)
  state.nodes.record(seen("10.0.0.1:1"))
  state.nodes.flush()
  assert.equal(again().forget("10.0.0.1:1"), 1)
  clock.now += 501
  assert.equal(state.nodes.countKnown("web"), 0)
  assert.equal(state.nodes.pinAt("web", "10.0.0.1:1"), undefined)
})

// Approvals.

test("a pin waits, is approved, and may be rejected again; for each app on its own", async (t) => {
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

test("whoever asks with ever new pins at one address does not fill the disk, and pushes out no decision", async (t) => {
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

test("the revision changes with every decision of a command, and with nothing that the agent itself does", async (t) => {
  const { state, again } = await place(t)
  const other = again()
  state.nodes.record(seen("10.0.0.1:1"))
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

// The file.

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

test("a state of a newer Purser is refused, and stays as it is", async (t) => {
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

test("a state of a Purser that knew no containers is brought up to date, and keeps what it has", async (t) => {
  const { dir, state } = await place(t)
  const token = state.tokens.current("web")
  state[Symbol.dispose]()
  {
    using database = new DatabaseSync(stateFileIn(dir))
    database.exec("DROP TABLE containers; PRAGMA user_version = 1")
  }
  using after = openState(dir)
  same(after.tokens.valid("web"), [token])
  const start = { app: "web", id: "a", startedAt: "now" }
  after.containers.remember(start, { isComplete: true, pendingReload: null })
  assert.equal(after.containers.find(start).isComplete, true)
})

test("a file that is no database is refused", async (t) => {
  const dir = await tempDir(t)
  await writeFile(stateFileIn(dir), "not a database\n".repeat(1000))
  assert.throws(() => openState(dir), { code: "ERR_STATE", message: /cannot open the state / })
})

test("a database that lost its end is refused", async (t) => {
  const { dir, state } = await place(t)
  for (let index = 0; index < 2000; index++) state.nodes.record(seen(`10.0.${index >> 8}.${index & 255}:1`))
  state[Symbol.dispose]()
  const { size } = await stat(stateFileIn(dir))
  assert.ok(size > 100_000)
  await truncate(stateFileIn(dir), 65_536)
  assert.throws(() => openState(dir), { code: "ERR_STATE" })
})

test("a damaged audit head is refused", async (t) => {
  const { dir, state } = await place(t)
  state.auditHead.update((head) => ({ ...head, seq: 1, hash: `sha256:${"a".repeat(64)}` }))
  const other = new DatabaseSync(stateFileIn(dir))
  t.after(() => other.close())
  other.exec("UPDATE audit_head SET hash = 'sha256:x'")
  assert.throws(() => state.auditHead.read(), { code: "ERR_STATE", message: /audit head .* is damaged/ })
})

test("a change of the head that fails changes nothing", async (t) => {
  const { state, again } = await place(t)
  const hash = `sha256:${"a".repeat(64)}` as const
  state.auditHead.update((head) => ({ ...head, seq: 1, hash }))
  assert.throws(() =>
    state.auditHead.update(() => {
      throw new Error("no")
    }),
  )
  assert.equal(state.auditHead.read().seq, 1)
  again().auditHead.update((head) => ({ ...head, seq: head.seq + 1 }))
  assert.equal(state.auditHead.read().seq, 2)
})

test("the key that tags contents is made once, whoever asks first", async (t) => {
  const { state, again } = await place(t)
  const other = again()
  same([state.keys.content(), other.keys.content()], [again().keys.content(), again().keys.content()])
  assert.equal(state.keys.content().length, 32)
})
