import assert from "node:assert/strict"
import { test } from "node:test"
import { createIdentity } from "../../../../src/channel/identity.ts"
import { judge } from "../support.ts"

const [one, two, stranger] = [createIdentity(), createIdentity(), createIdentity()]

test("each listed pin is trusted", async (t) => {
  const { ask, audit } = await judge(t, { trust: { mode: "pinned", pins: [one.pin, two.pin] } })
  await ask({ identity: one, address: "203.0.113.7:1" })
  await ask({ identity: two, address: "203.0.113.8:1" })
  assert.deepEqual(await audit(), [])
})

test("a pin that is not listed is refused, even with a token", async (t) => {
  const { ask, audit, state } = await judge(t, { trust: { mode: "pinned", pins: [one.pin, two.pin] } })
  await assert.rejects(ask({ identity: stranger, token: state.tokens.current("web") }), {
    code: "ERR_UNTRUSTED",
    message: /its pin is not among those of the app/,
    hint: new RegExp(`add ${stranger.pin} to pins: of web`),
  })
  assert.deepEqual(
    (await audit()).map(({ kind, pin }) => [kind, pin]),
    [["rejected", stranger.pin]],
  )
})

test("without pins no node is trusted", async (t) => {
  const { ask } = await judge(t, { trust: { mode: "pinned", pins: [] } })
  await assert.rejects(ask({ identity: one }), { code: "ERR_UNTRUSTED" })
})
