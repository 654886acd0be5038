import assert from "node:assert/strict"
import { test } from "node:test"
import { digestOf, isDigest, sameBytes, sameText } from "../../src/base/digest.ts"

test("a digest is sha256: and 64 lower-case hex digits", () => {
  const digest = digestOf(Buffer.from("abc"))
  assert.equal(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  assert.ok(isDigest(digest))
  for (const other of [
    digest.toUpperCase(),
    digest.slice(7),
    `${digest}0`,
    digest.slice(0, -1),
    `${digest}\n`,
    null,
    5,
  ])
    assert.ok(!isDigest(other))
})

test("bytes and texts are equal only if every byte is", () => {
  assert.ok(sameBytes(Buffer.from("abc"), Buffer.from("abc")) && sameText("", ""))
  assert.ok(
    !sameBytes(Buffer.from("abc"), Buffer.from("abd")) && !sameText("abc", "ab") && !sameText("abc", "abcd"),
  )
})
