import assert from "node:assert/strict"
import { test } from "node:test"
import { createIdentity } from "../../../../src/channel/identity.ts"
import { judge } from "../support.ts"

test("a new pin waits, with one alert however often it comes back, and is trusted once it is approved", async (t) => {
  const { ask, state, audit, said } = await judge(t, { trust: { mode: "approved" } })
  const identity = createIdentity()
  for (let times = 0; times < 3; times++) {
    await assert.rejects(ask({ identity }), {
      code: "ERR_UNTRUSTED",
      message: /its pin waits for approval/,
      hint: new RegExp(`purser nodes approve ${identity.pin}$`),
    })
  }
  const kinds = (await audit()).map(({ kind, pin }) => [kind, pin])
  assert.deepEqual(kinds, [
    ["alert", identity.pin],
    ["rejected", identity.pin],
    ["rejected", identity.pin],
    ["rejected", identity.pin],
  ])
  assert.equal(
    said().match(/alert: a new node of web at 203\.0\.113\.7:39898 waits for approval/g)?.length,
    1,
  )
  state.approvals.decide(identity.pin, "approved")
  await ask({ identity })
  assert.equal((await audit()).length, 4)
})

test("a rejected pin is refused, until it is approved after all", async (t) => {
  const { ask, state, audit } = await judge(t, { trust: { mode: "approved" } })
  const identity = createIdentity()
  await assert.rejects(ask({ identity }))
  state.approvals.decide(identity.pin, "rejected")
  await assert.rejects(ask({ identity }), { code: "ERR_UNTRUSTED", message: /its pin was rejected/ })
  assert.equal((await audit()).at(-1)?.["reason"], "its pin was rejected")
  state.approvals.decide(identity.pin, "approved")
  await ask({ identity })
})

test("an approval is for a pin, not for its address", async (t) => {
  const { ask, state } = await judge(t, { trust: { mode: "approved" } })
  const good = createIdentity()
  await assert.rejects(ask({ identity: good }))
  state.approvals.decide(good.pin, "approved")
  await ask({ identity: good, address: "203.0.113.8:39898" })
  await assert.rejects(ask({ identity: createIdentity() }), { code: "ERR_UNTRUSTED" })
})

test("an approval for one app does not apply to another", async (t) => {
  const { ask, state } = await judge(t, { trust: { mode: "approved" } })
  const identity = createIdentity()
  state.approvals.request("db", identity.pin, "203.0.113.7:39898", "node-1")
  state.approvals.decide(identity.pin, "approved", "db")
  await assert.rejects(ask({ identity }), { code: "ERR_UNTRUSTED", message: /waits for approval/ })
})

test("a token is no approval", async (t) => {
  const { ask, state } = await judge(t, { trust: { mode: "approved" } })
  await assert.rejects(ask({ token: state.tokens.current("web") }), { code: "ERR_UNTRUSTED" })
})
