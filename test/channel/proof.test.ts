import assert from "node:assert/strict"
import { hkdfSync, randomBytes } from "node:crypto"
import { test } from "node:test"
import { proofKey, proofOf, verifyProof, type ProofInput } from "../../src/channel/proof.ts"

const input = (): ProofInput => ({
  token: randomBytes(32),
  exporter: randomBytes(32),
  nodeSpkiSha256: randomBytes(32),
  agentSpkiSha256: randomBytes(32),
  app: "web",
})
const text = (proof: Buffer): string => proof.toString("base64url")

test("accepts the proof for the same connection, keys, app and token", () => {
  const one = input()
  assert.equal(verifyProof(text(proofOf(one)), one), true)
})

test("refuses a proof if any part differs", () => {
  const one = input()
  const proof = text(proofOf(one))
  for (const part of ["token", "exporter", "nodeSpkiSha256", "agentSpkiSha256"] as const) {
    assert.equal(verifyProof(proof, { ...one, [part]: randomBytes(32) }), false, part)
  }
  assert.equal(verifyProof(proof, { ...one, app: "web2" }), false)
  // Node's and agent's keys are not interchangeable.
  const swapped = { ...one, nodeSpkiSha256: one.agentSpkiSha256, agentSpkiSha256: one.nodeSpkiSha256 }
  assert.equal(verifyProof(proof, swapped), false)
})

test("refuses a missing, cut or non-canonical proof", () => {
  const one = input()
  const proof = text(proofOf(one))
  for (const wrong of [null, "", proof.slice(1), `${proof}=`, `${proof}A`, ` ${proof}`, "A".repeat(43)]) {
    assert.equal(verifyProof(wrong, one), false)
  }
})

test("a token's key depends on its bytes, not on the buffer that holds them", () => {
  const one = input()
  const before = proofOf(one)
  const { token } = one
  token[0] = (token[0] ?? 0) ^ 1
  assert.notDeepEqual(proofOf(one), before)
  assert.equal(verifyProof(text(before), one), false)
})

test("the key is HKDF-SHA256 of the decoded token", () => {
  const token = randomBytes(32)
  assert.deepEqual(proofKey(token), Buffer.from(hkdfSync("sha256", token, "", "purser/1 node", 32)))
})

test("parts of another length are a TypeError", () => {
  assert.throws(() => proofOf({ ...input(), exporter: Buffer.alloc(31) }), TypeError)
  assert.throws(() => proofOf({ ...input(), token: Buffer.alloc(31) }), TypeError)
})
