import assert from "node:assert/strict"
import { test } from "node:test"
import { place, same } from "./support.ts"

test("the key that tags contents is created once, by any process", async (t) => {
  const { state, again } = await place(t)
  const other = again()
  same([state.keys.content(), other.keys.content()], [again().keys.content(), again().keys.content()])
  assert.equal(state.keys.content().length, 32)
})
