import assert from "node:assert/strict"
import { test } from "node:test"
import { createIdentity } from "../../../../src/channel/identity.ts"
import { createToken } from "../../../../src/channel/enrolment.ts"
import { judge } from "../support.ts"

test("a node that proves the app's token is trusted, without a line in the audit log", async (t) => {
  const { ask, state, audit } = await judge(t)
  await ask({ token: state.tokens.current("web") })
  assert.deepEqual(await audit(), [])
})

test("a node that proves another token is refused", async (t) => {
  const { ask, state, audit } = await judge(t)
  state.tokens.current("web")
  for (const token of [createToken(), state.tokens.current("db")]) {
    await assert.rejects(ask({ token }), {
      code: "ERR_UNTRUSTED",
      message: "refused 203.0.113.7:39898: its token is wrong, revoked or too old",
      hint: /purser enrol web/,
    })
  }
  assert.equal((await audit()).length, 2)
})

test("a node without a proof is refused, and its line in the audit log names it and the reason", async (t) => {
  const { ask, state, audit } = await judge(t)
  state.tokens.current("web")
  const identity = createIdentity()
  await assert.rejects(ask({ identity }), { code: "ERR_UNTRUSTED", message: /it has no token/ })
  const [{ seq: _, time: __, previous: ___, ...line } = {}, ...more] = await audit()
  assert.deepEqual(more, [])
  assert.deepEqual(line, {
    kind: "rejected",
    app: "web",
    address: "203.0.113.7:39898",
    pin: identity.pin,
    node: "node-1",
    reason: "it has no token",
  })
})

test("a proof made for another connection is refused", async (t) => {
  const { ask, state } = await judge(t)
  const token = state.tokens.current("web")
  await assert.rejects(ask({ hello: { proof: createToken().toString("base64url") } }), {
    code: "ERR_UNTRUSTED",
  })
  await ask({ token })
})

test("without any token no node is trusted, and the hint tells how to get one", async (t) => {
  const { ask, audit } = await judge(t)
  await assert.rejects(ask({ token: createToken() }), {
    code: "ERR_UNTRUSTED",
    message: /web has no token/,
    hint: "run purser enrol web, and give its node the enrolment string that it prints",
  })
  assert.equal((await audit()).length, 1)
})

test("a rotated token is good until its overlap ends", async (t) => {
  const { ask, state, clock } = await judge(t)
  const old = state.tokens.current("web")
  const fresh = state.tokens.rotate("web", 5000)
  clock.now += 4999
  await ask({ token: old })
  await ask({ token: fresh })
  clock.now += 1
  await assert.rejects(ask({ token: old }), { code: "ERR_UNTRUSTED" })
  await ask({ token: fresh })
})

test("a revoked token is refused at once", async (t) => {
  const { ask, state } = await judge(t)
  const token = state.tokens.current("web")
  await ask({ token })
  state.tokens.revoke("web")
  await assert.rejects(ask({ token }), { code: "ERR_UNTRUSTED" })
  await ask({ token: state.tokens.current("web") })
})
