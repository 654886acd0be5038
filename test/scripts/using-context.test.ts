import assert from "node:assert/strict"
import { test } from "node:test"
import usingContext from "../../scripts/using-context.mjs"

/** The block as the compiler writes it. */
async function block(values: readonly unknown[], body: () => unknown): Promise<unknown> {
  const context = usingContext()
  try {
    for (const value of values) context.a(value)
    return body()
  } catch (error) {
    context.e = error
  } finally {
    await context.d()
  }
}

const resource = (said: string[], name: string, error?: Error) => ({
  async [Symbol.asyncDispose]() {
    await Promise.resolve()
    said.push(name)
    if (error !== undefined) throw error
  },
})

test("disposes in reverse order, one after the other, and skips null", async () => {
  const said: string[] = []
  assert.equal(await block([resource(said, "a"), null, undefined, resource(said, "b")], () => 7), 7)
  assert.deepEqual(said, ["b", "a"])
})

test("disposes all when the block throws, and throws the block's error", async () => {
  const said: string[] = []
  const values = [resource(said, "a", new Error("of a")), resource(said, "b")]
  const body = (): never => {
    throw new Error("of the block")
  }
  await assert.rejects(block(values, body), /of the block/)
  assert.deepEqual(said, ["b", "a"])
})

test("throws the first error of a disposal, and disposes the rest", async () => {
  const said: string[] = []
  const values = [
    resource(said, "a"),
    resource(said, "b", new Error("of b")),
    resource(said, "c", new Error("of c")),
  ]
  await assert.rejects(
    block(values, () => 7),
    /of c/,
  )
  assert.deepEqual(said, ["c", "b", "a"])
})

test("a synchronous value is disposed before the block is left", () => {
  const said: string[] = []
  const context = usingContext()
  const value = { [Symbol.dispose]: () => void said.push("disposed") }
  assert.equal(context.u(value), value)
  void context.d()
  assert.deepEqual(said, ["disposed"])
})

test("await using takes what has only a synchronous disposal", async () => {
  const said: string[] = []
  await block([{ [Symbol.dispose]: () => void said.push("disposed") }], () => 7)
  assert.deepEqual(said, ["disposed"])
})
