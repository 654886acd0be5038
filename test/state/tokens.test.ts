import assert from "node:assert/strict"
import { test } from "node:test"
import { openState } from "../../src/state/state.ts"
import { startScript } from "../support/script.ts"
import { tempDir } from "../support/temp.ts"
import { begin, hour, place, same, second } from "./support.ts"

test("an app gets the same token twice, and each app its own", async (t) => {
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

test("after a rotation the old token is valid for the overlap, and not a millisecond longer", async (t) => {
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

test("a second rotation does not extend the overlap of the first", async (t) => {
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

test("revoking deletes every token at once, for every process, and the next one is new", async (t) => {
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

test("a token created by another process is valid at once", async (t) => {
  const { state, again } = await place(t)
  assert.deepEqual(state.tokens.valid("web"), [])
  const token = again().tokens.current("web")
  same(state.tokens.valid("web"), [token])
  const fresh = again().tokens.rotate("web", hour)
  same(state.tokens.valid("web"), [fresh, token])
})

test("a clock that is set back does not revive an expired token", async (t) => {
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

test("a clock that is set back does not extend an overlap in a running process", async (t) => {
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

test("a clock that jumps ahead and back ends overlaps early, and keeps the current token", async (t) => {
  const { state, clock, again } = await place(t)
  state.tokens.current("web")
  const fresh = state.tokens.rotate("web", hour)
  clock.now = begin + 1000 * hour
  same(state.tokens.valid("web"), [fresh])
  clock.now = begin
  const next = again().tokens.rotate("web", hour)
  same(state.tokens.valid("web"), [next, fresh])
})

test("an overlap ends on time although the clock was years ahead before", async (t) => {
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
  // The tokens of db are not read while its old one expires.
  clock.now = begin + 2 * hour
  state.tokens.valid("web")
  clock.now = begin
  state.tokens.rotate("web", hour)
  same(again().tokens.valid("db"), [fresh])
})

test("an overlap ends while the agent runs, although the clock is set back or stands still", async (t) => {
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

test("processes that enrol an app at the same time get one token", async (t) => {
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
