import assert from "node:assert/strict"
import { test } from "node:test"
import { resolveConfig } from "../../src/wiring/config.ts"
import { defaultConfig } from "../../src/wiring/default-config.ts"

test("the default configuration is the schema's result for an empty one", () => {
  const places = { directory: "/base", stateDir: undefined, defaultStateDir: "/state" }
  assert.deepEqual(defaultConfig("/state"), resolveConfig({}, { ...places, file: undefined }))
})

test("the default configuration is deeply frozen", () => {
  const all = [defaultConfig("/state")] as unknown[]
  for (const value of all) {
    if (typeof value !== "object" || value === null) continue
    assert.ok(Object.isFrozen(value), JSON.stringify(value))
    all.push(...Object.values(value))
  }
  assert.ok(all.length > 40)
})
