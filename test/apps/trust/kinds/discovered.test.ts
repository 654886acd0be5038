import assert from "node:assert/strict"
import { test } from "node:test"
import { judge } from "../support.ts"

test("whoever answers is trusted, as a node of the app that was dialled only", async (t) => {
  const { ask, audit } = await judge(t, { trust: { mode: "discovered" } })
  await ask({})
  await assert.rejects(ask({ hello: { app: "db" } }), { code: "ERR_UNTRUSTED" })
  assert.deepEqual(
    (await audit()).map(({ kind }) => kind),
    ["rejected"],
  )
})
