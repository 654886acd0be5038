import assert from "node:assert/strict"
import { test } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { FailedSets } from "../../src/rollout/failed-sets.ts"
import { purserError } from "../files/support.ts"

const set = (...contents: string[]) =>
  contents.map((text, index) => ({ name: `file${index}`, content: new Secret(text) }))
const refused = purserError("ERR_CHECK", /^held back since 2030-01-01T00:00:00\.000Z: /)

test("a set that failed is refused at its target for an hour, in any order of its files", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.parse("2030-01-01T00:00:00Z") })
  const sets = new FailedSets()
  sets.throwIfFailed("web", set("a", "b"))
  sets.recordFailure("web", set("a", "b"))
  t.mock.timers.tick(3_599_999)
  assert.throws(() => sets.throwIfFailed("web", set("a", "b")), refused)
  assert.throws(() => sets.throwIfFailed("web", set("a", "b").toReversed()), refused)
  t.mock.timers.tick(1)
  sets.throwIfFailed("web", set("a", "b"))
})

test("other content, part of the set and another target are tried at once", () => {
  const sets = new FailedSets()
  sets.recordFailure("web", set("a", "b"))
  sets.throwIfFailed("web", set("a", "c"))
  sets.throwIfFailed("web", set("b", "a"))
  sets.throwIfFailed("web", set("a"))
  sets.throwIfFailed("mail", set("a", "b"))
})
