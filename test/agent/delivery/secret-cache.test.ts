import assert from "node:assert/strict"
import { test } from "node:test"
import { SecretCache } from "../../../src/agent/delivery/secret-cache.ts"
import { TestCatalogue } from "../../support/pair.ts"

const forever = new AbortController().signal

function cacheOf(maxAgeMs = 60_000) {
  const catalogue = new TestCatalogue({ a: "one" })
  const ends = new AbortController()
  return { catalogue, ends, cache: new SecretCache(catalogue, maxAgeMs, ends.signal) }
}

test("one reading serves all who ask while it is under way, and after it", async () => {
  const { cache, catalogue } = cacheOf()
  const contents = await Promise.all([cache.read("a", forever), cache.read("a", forever)])
  assert.deepEqual(
    contents.map((content) => content?.revealText()),
    ["one", "one"],
  )
  await cache.read("a", forever)
  assert.equal(catalogue.reads.get("a"), 1)
})

test("that one asker goes away ends its own waiting, and nobody else's", async () => {
  const { cache, catalogue } = cacheOf()
  const release = Promise.withResolvers<void>()
  catalogue.onRead = () => release.promise
  const first = new AbortController()
  const gone = cache.read("a", first.signal)
  const stays = cache.read("a", forever)
  first.abort(new Error("gone"))
  await assert.rejects(gone, /gone/)
  release.resolve()
  assert.equal((await stays)?.revealText(), "one")
  await assert.rejects(cache.read("a", first.signal), /gone/)
})

test("the reading itself hears when all is over", async () => {
  const { cache, catalogue, ends } = cacheOf()
  catalogue.onRead = (_name, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("ended"))))
  const reading = cache.read("a", forever)
  ends.abort()
  await assert.rejects(reading, /ended/)
})

test("what is forgotten is read again, even while it was being read", async () => {
  const { cache, catalogue } = cacheOf()
  const release = Promise.withResolvers<void>()
  catalogue.onRead = () => release.promise
  const old = cache.read("a", forever)
  cache.forget(["a"])
  const fresh = cache.read("a", forever)
  release.resolve()
  await Promise.all([old, fresh])
  assert.equal(catalogue.reads.get("a"), 2)
  cache.forget("all")
  await cache.read("a", forever)
  assert.equal(catalogue.reads.get("a"), 3)
})

test("a failure is not kept", async () => {
  const { cache, catalogue } = cacheOf()
  catalogue.onRead = () => {
    throw new Error("broken")
  }
  await assert.rejects(cache.read("a", forever), /broken/)
  catalogue.onRead = () => {}
  assert.equal((await cache.read("a", forever))?.revealText(), "one")
})

test("content older than the limit is read again", async (t) => {
  const { cache, catalogue } = cacheOf(1000)
  let now = 0
  t.mock.method(performance, "now", () => now)
  await cache.read("a", forever)
  now = 999
  await cache.read("a", forever)
  assert.equal(catalogue.reads.get("a"), 1)
  now = 1001
  await cache.read("a", forever)
  assert.equal(catalogue.reads.get("a"), 2)
})

test("that there is none is an answer, and is not kept", async () => {
  const { cache, catalogue } = cacheOf()
  assert.equal(await cache.read("later", forever), null)
  catalogue.set("later", "now")
  assert.equal((await cache.read("later", forever))?.revealText(), "now")
})
