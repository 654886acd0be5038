import assert from "node:assert/strict"
import { createPublicKey } from "node:crypto"
import { test } from "node:test"
import { KeyPool, type RsaKey } from "../../../src/channel/fluxvault/key-pool.ts"
import { waitFor } from "../../support/wait.ts"

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
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test("keys are there before anybody asks, and those taken are replaced", async () => {
  const pool = new KeyPool(2)
  await waitFor("two keys", () => pool.size === 2)
  const [a, b] = await Promise.all([pool.take(), pool.take()])
  assert.notEqual(a.publicKeyPem, b.publicKeyPem)
  assert.equal(createPublicKey(a.publicKeyPem).asymmetricKeyDetails?.modulusLength, 2048)
  await waitFor("two more keys", () => pool.size === 2)
  pool.close()
})

test("many who ask at once have keys made for them one after the other, in their order", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(1, make)
  const served: number[] = []
  for (const who of [1, 2, 3]) void pool.take().then(() => served.push(who))
  for (const [at, expected] of [[1], [1, 2], [1, 2, 3]].entries()) {
    assert.equal(making.length, at + 1, "one at a time")
    making[at]?.resolve(key)
    await turn()
    assert.deepEqual(served, expected)
  }
  assert.equal(making.length, 4, "and one ahead")
})

test("who waits learns that no key can be made, and the next one tries again", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(1, make)
  const first = pool.take()
  making[0]?.reject(new Error("no entropy"))
  await assert.rejects(first, /no entropy/)
  await turn()
  making[1]?.reject(new Error("no entropy"))
  await turn()
  assert.equal(making.length, 2, "nobody waits, so nobody tries for ever")
  const next = pool.take()
  making[2]?.resolve(key)
  assert.equal(await next, key)
})

test("a pool that is closed makes no more", async () => {
  const { making, make } = maker()
  const pool = new KeyPool(2, make)
  pool.close()
  making[0]?.resolve(key)
  await turn()
  assert.equal(making.length, 1)
})
