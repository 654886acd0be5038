import assert from "node:assert/strict"
import { test } from "node:test"
import { compileChunk, loaderOf } from "../../../scripts/executable/chunks.ts"

/** Loads chunks from a table; resolves with what was compiled, in order, besides. */
function chunks(table: Record<string, string>) {
  const compiled: string[] = []
  const load = loaderOf((name) => {
    compiled.push(name)
    return compileChunk(name, table[name] ?? "")
  })
  return { compiled, load: (name: string) => load(name) as Record<string, unknown> }
}

test("a chunk is compiled when it is first required, and once", () => {
  const { compiled, load } = chunks({
    "a.cjs": 'exports.b = () => require("./b.cjs").value + require("./b.cjs").value',
    "b.cjs": "exports.value = 21",
    "c.cjs": "throw new Error()",
  })
  const { b } = load("a.cjs") as { b: () => number }
  assert.deepEqual(compiled, ["a.cjs"])
  assert.equal(b(), 42)
  assert.deepEqual(compiled, ["a.cjs", "b.cjs"])
})

test("chunks that require each other see what the other has by then", () => {
  const { load } = chunks({
    "a.cjs": 'exports.early = 1; exports.seen = require("./b.cjs").seen',
    "b.cjs": 'exports.seen = require("./a.cjs").early',
  })
  assert.equal(load("a.cjs")["seen"], 1)
})

test("Node's own modules are had by both of their names", () => {
  const { load } = chunks({ "a.cjs": 'exports.same = require("node:path") === require("path")' })
  assert.equal(load("a.cjs")["same"], true)
})

test("a stack trace names the chunk and its line", () => {
  const { load } = chunks({ "a.cjs": '"use strict"\n\nthrow new Error("here")' })
  assert.throws(
    () => load("a.cjs"),
    (error: Error) => /purser\/a\.cjs:3:7/.test(error.stack ?? ""),
  )
})

test("code that was compiled before is taken for the same text, and for no other", () => {
  const code = "exports.one = () => 1"
  const script = compileChunk("a.cjs", code)
  const compiled = script.createCachedData()
  assert.equal(compileChunk("a.cjs", code, compiled).cachedDataRejected, false)
  assert.equal(compileChunk("a.cjs", `${code} + 1`, compiled).cachedDataRejected, true)
})
