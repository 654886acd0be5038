import assert from "node:assert/strict"
import { test } from "node:test"
import { judge } from "../support.ts"

test("any node that answers is trusted, but only for the dialled app", async (t) => {
  const { ask, audit } = await judge(t, { trust: { mode: "discovered" } })
  await ask({})
  await assert.rejects(ask({ hello: { app: "db" } }), { code: "ERR_UNTRUSTED" })
  assert.deepEqual(
    (await audit()).map(({ kind }) => kind),
    ["rejected"],
  )
})
