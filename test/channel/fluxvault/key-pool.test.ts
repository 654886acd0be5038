import assert from "node:assert/strict"
import { createPublicKey } from "node:crypto"
import { test } from "node:test"
import { KeyPool, type RsaKey } from "../../../src/channel/fluxvault/key-pool.ts"

/** A maker of keys that the test completes. */
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

test("keys are RSA-2048, and each is handed out once", async (t) => {
  const pool = new KeyPool(1)
  t.after(() => pool.close())
  const [a, b] = await Promise.all([pool.take(signal), pool.take(signal)])
  assert.notEqual(a.publicKeyPem, b.publicKeyPem)
  assert.equal(createPublicKey(a.publicKeyPem).asymmetricKeyDetails?.modulusLength, 2048)
  assert.equal(createPublicKey(a.privateKey).export({ type: "spki", format: "pem" }), a.publicKeyPem)
})

test("keys are made in advance, one after the other, and taken ones are replaced", async () => {
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

test("concurrent callers are served in order as keys are made", async () => {
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

test("a failed caller gets the reason, and the next caller gets a key", async () => {
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

test("a cancelled caller uses up no key, and the next caller gets the key in the making", async () => {
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

test("a key that could not be made in advance is tried again at the next call", async () => {
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

test("a closed pool makes no more keys", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(2, make)
  await turn()
  pool.close()
  making[0]?.resolve(key)
  await turn()
  assert.equal(making.length, 1)
})
