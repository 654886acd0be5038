import assert from "node:assert/strict"
import { test } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { Secret } from "../../src/base/secret.ts"
import { partitionSecrets, withOwnSecrets } from "../../src/wiring/own-secrets.ts"
import { TestCatalogue } from "../support/pair.ts"

const { signal } = new AbortController()

test("secrets of the application stand before the sources, whether they are there or asked for", async () => {
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

test("checking a secret of the application asks no source", async () => {
  const sources = new TestCatalogue({})
  const { own } = partitionSecrets({ a: new Secret("1234"), none: async () => null })
  const catalogue = withOwnSecrets(sources, own)
  assert.deepEqual(await catalogue.check("a", signal), { sizeBytes: 4 })
  assert.equal(await catalogue.check("none", signal), null)
  assert.deepEqual([...sources.reads.keys()], [])
})

test("a secret of the application needs the name of a secret", () => {
  assert.throws(
    () => partitionSecrets({ "../a": new Secret("x") }),
    (error) => isPurserError(error, "ERR_NAME"),
  )
})
