import assert from "node:assert/strict"
import { createPublicKey } from "node:crypto"
import { test } from "node:test"
import { KeyPool, type RsaKey } from "../../../src/channel/fluxvault/key-pool.ts"

/** A maker whose keys the test finishes. */
function maker() {
  const making: PromiseWithResolvers<RsaKey>[] = []
  const make = (): Promise<RsaKey> => {
    const key = Promise.withResolvers<RsaKey>()
    making.push(key)
    return key.promise
  }
  return { making, make }
}

const key = {} as RsaKey
const { signal } = new AbortController()
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test("a key is one of RSA-2048, and nobody gets another's", async (t) => {
  const pool = new KeyPool(1)
  t.after(() => pool.close())
  const [a, b] = await Promise.all([pool.take(signal), pool.take(signal)])
  assert.notEqual(a.publicKeyPem, b.publicKeyPem)
  assert.equal(createPublicKey(a.publicKeyPem).asymmetricKeyDetails?.modulusLength, 2048)
  assert.equal(createPublicKey(a.privateKey).export({ type: "spki", format: "pem" }), a.publicKeyPem)
})

test("keys are made before anybody asks, one after the other, and those taken are replaced", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(2, make)
  for (const count of [1, 2]) {
    await turn()
    assert.equal(making.length, count, "one at a time")
    making[count - 1]?.resolve(key)
  }
  await turn()
  assert.equal(making.length, 2, "no more than were asked for")
  await Promise.all([pool.take(signal), pool.take(signal)])
  await turn()
  assert.equal(making.length, 3)
})

test("many who ask at once are served in their order, as keys are made", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(1, make)
  const served: number[] = []
  for (const who of [1, 2, 3]) void pool.take(signal).then(() => served.push(who))
  for (const [at, expected] of [[1], [1, 2], [1, 2, 3]].entries()) {
    await turn()
    assert.equal(making.length, at + 1)
    making[at]?.resolve(key)
    await turn()
    assert.deepEqual(served, expected)
  }
})

test("who gets no key learns why, and the next one gets one", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(1, make)
  const [first, second] = [pool.take(signal), pool.take(signal)]
  await turn()
  making[0]?.reject(new Error("no entropy"))
  await assert.rejects(first, /no entropy/)
  await turn()
  making[1]?.resolve(key)
  assert.equal(await second, key)
})

test("who goes away while waiting costs no key, and whoever is next gets the one that is being made", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(1, make)
  const gone = new AbortController()
  const left = Array.from({ length: 100 }, () => pool.take(gone.signal))
  const next = pool.take(signal)
  gone.abort(new Error("gone"))
  for (const one of left) await assert.rejects(one, /gone/)
  await assert.rejects(pool.take(gone.signal), /gone/)
  making[0]?.resolve(key)
  assert.equal(await next, key)
  await turn()
  making[1]?.resolve(key)
  await turn()
  assert.equal(making.length, 2, "one for who waited, one to have ready")
})

test("a key that cannot be made ahead of time is tried again when somebody asks", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(1, make)
  making[0]?.reject(new Error("no entropy"))
  await turn()
  assert.equal(making.length, 1)
  const asked = pool.take(signal)
  await turn()
  making[1]?.resolve(key)
  assert.equal(await asked, key)
})

test("a pool that is closed makes no more", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(2, make)
  await turn()
  pool.close()
  making[0]?.resolve(key)
  await turn()
  assert.equal(making.length, 1)
})
