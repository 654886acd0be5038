import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { openAgent } from "../../src/agent/open.ts"
import { resolveConfig } from "../../src/agent/purser-config.ts"
import { silentLog } from "../../src/base/log.ts"
import { createCatalogue } from "../../src/sources/catalogue.ts"
import { tempDir } from "../support/temp.ts"

test("an open agent logs the head of its audit log every hour, until it is closed", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] })
  const dir = await tempDir(t)
  const stateDir = join(dir, "state")
  const { sources, ...plan } = resolveConfig(
    {},
    { file: undefined, directory: dir, stateDir, defaultStateDir: stateDir },
  )
  await using catalogue = createCatalogue(sources, { stateDir, env: {}, log: silentLog })
  const heads: unknown[] = []
  const log = {
    ...silentLog,
    info: (message: string, fields?: object) => void heads.push([message, fields]),
  }
  const opened = await openAgent({ stateDir, plan: { ...plan, catalogue }, log })
  const line = ["head of the audit log", { head: `0:sha256:${"0".repeat(64)}` }]
  t.mock.timers.tick(3_599_999)
  assert.deepEqual(heads, [])
  t.mock.timers.tick(1)
  assert.deepEqual(heads, [line])
  t.mock.timers.tick(3_600_000)
  assert.deepEqual(heads, [line, line])
  await opened[Symbol.asyncDispose]()
  t.mock.timers.tick(3_600_000)
  assert.deepEqual(heads, [line, line])
})
