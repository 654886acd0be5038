import assert from "node:assert/strict"
import { test } from "node:test"
import { envKind } from "../../../src/sources/kinds/env.ts"
import type { Source } from "../../../src/sources/source.ts"
import { code, limit, signal, sourceOf } from "../host.ts"

test("gives a variable, and takes an empty one for absent", async () => {
  const env = { KEY: "välue", EMPTY: "" }
  const of = (variable: string, maxBytes = limit): Source =>
    sourceOf(envKind, { kind: "env", variable }, { env, maxBytes })
  assert.equal((await of("KEY").read("", signal))?.revealText(), "välue")
  assert.equal(await of("EMPTY").read("", signal), null)
  assert.equal(await of("NONE").read("", signal), null)
  await assert.rejects(of("KEY", 5).read("", signal), code("ERR_SECRET_TOO_LARGE"))
})
