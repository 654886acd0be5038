import assert from "node:assert/strict"
import { test } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { Secret } from "../../src/base/secret.ts"
import { partitionSecrets, withOwnSecrets } from "../../src/wiring/own-secrets.ts"
import { TestCatalogue } from "../support/pair.ts"

const { signal } = new AbortController()

test("an application's own secrets, as values or functions, take precedence over the sources", async () => {
  const sources = new TestCatalogue({ a: "of a source", b: "of a source", c: "of a source" })
  const { own, configured } = partitionSecrets({
    a: new Secret("of our own"),
    b: async () => new Secret("asked for"),
    none: async () => null,
    c: "store",
  })
  assert.deepEqual(configured, { a: "store", b: "store", none: "store", c: "store" })
  const catalogue = withOwnSecrets(sources, own)
  const text = async (name: string) => (await catalogue.read(name, signal))?.revealText()
  assert.deepEqual(await Promise.all(["a", "b", "none", "c"].map(text)), [
    "of our own",
    "asked for",
    undefined,
    "of a source",
  ])
  assert.deepEqual([...sources.reads.keys()], ["c"])
})

test("checking an application's own secret reads no source", async () => {
  const sources = new TestCatalogue({})
  const { own } = partitionSecrets({ a: new Secret("1234"), none: async () => null })
  const catalogue = withOwnSecrets(sources, own)
  assert.deepEqual(await catalogue.check("a", signal), { sizeBytes: 4 })
  assert.equal(await catalogue.check("none", signal), null)
  assert.deepEqual([...sources.reads.keys()], [])
})

test("an application's own secret needs a valid name", () => {
  assert.throws(
    () => partitionSecrets({ "../a": new Secret("x") }),
    (error) => isPurserError(error, "ERR_NAME"),
  )
})
