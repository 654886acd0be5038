import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { exportsOf, unnameable } from "./support/public-types.ts"

const run = promisify(execFile)
const root = resolve(import.meta.dirname, "..")
const consumer = join(root, "test/fixtures/consumer")

test("every type that the public API mentions is exported, so that a consumer can name it", () => {
  assert.deepEqual(unnameable(root, "src/index.ts"), [])
})

test("the fixture of a consumer uses every export", () => {
  const used = ["agent.ts", "node.ts", "run-node.ts"]
    .map((name) => readFileSync(join(consumer, name), "utf8"))
    .join("\n")
  const words = Map.groupBy(used.match(/\b[A-Za-z]+\b/g) ?? [], (word) => word)
  const names = [...exportsOf(root, "src/index.ts").keys()]
  assert.ok(names.length > 50)
  assert.deepEqual(
    names.filter((name) => (words.get(name)?.length ?? 0) < 2),
    [],
  )
})

for (const exact of [true, false]) {
  test(`a consumer compiles with ${exact ? "exact" : "loose"} optional properties, and its mistakes do not`, async () => {
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    const flags = ["-p", consumer, "--exactOptionalPropertyTypes", String(exact)]
    const { stdout } = await run(process.execPath, [tsc, ...flags]).catch(
      (error: { stdout: string }) => error,
    )
    assert.equal(stdout, "")
  })
}
