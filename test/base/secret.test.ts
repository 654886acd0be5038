import assert from "node:assert/strict"
import { format, inspect } from "node:util"
import { test } from "node:test"
import { Secret } from "../../src/base/secret.ts"

const value = "swordfish-4711"

test("printing or serialising a secret never shows it", () => {
  const secret = new Secret(value)
  const shown = [
    String(secret),
    `${secret as unknown as string}`,
    "" + secret,
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ nested: [secret] }, { depth: 9, showHidden: true }),
    format("%s %o %j %O", secret, secret, secret, secret),
    Object.keys(secret).join(),
    JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
    new Error(`about ${secret as unknown as string}`).message,
  ]
  for (const text of shown) assert.ok(!text.includes(value) && !text.includes("swordfish"), text)
  assert.equal(String(secret), "[secret]")
  assert.equal(JSON.stringify(secret), '"[secret]"')
})

test("reveal returns the very bytes", () => {
  assert.equal(new Secret(value).revealText(), value)
  const bytes = Uint8Array.of(0, 255, 10, 13)
  assert.deepEqual([...new Secret(bytes).reveal()], [0, 255, 10, 13])
  assert.equal(new Secret("é").sizeBytes, 2)
})

test("a view into a larger buffer gives only its part", () => {
  const whole = Buffer.from("before-inside-after")
  assert.equal(new Secret(whole.subarray(7, 13)).revealText(), "inside")
})

test("the digest is that of the content", () => {
  assert.equal(
    new Secret("").digest,
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  )
})
