import assert from "node:assert/strict"
import { existsSync, globSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import { coveringTests, readNames } from "../../scripts/covering-tests.ts"
import { tempDir } from "../support/temp.ts"

const root = resolve(import.meta.dirname, "../..")

/** A repository of these files, and what covers one of them. */
async function covering(t: TestContext, sources: Readonly<Record<string, string>>, file: string) {
  const dir = await tempDir(t)
  for (const [path, code] of Object.entries(sources)) {
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await writeFile(join(dir, path), code)
  }
  return coveringTests(file, readNames(dir), (path) => existsSync(join(dir, path)))
}

test("every file of src has a test that covers it", () => {
  const names = readNames(root)
  const exists = (path: string): boolean => existsSync(join(root, path))
  const files = globSync("src/**/*.ts", { cwd: root })
  assert.ok(files.length > 100)
  for (const file of files) {
    const { tests } = coveringTests(file, names, exists)
    assert.notEqual(tests.length, 0, file)
    for (const test of tests) assert.ok(exists(test), test)
  }
})

test("the mirror alone, where there is one", async (t) => {
  const sources = {
    "src/x/y.ts": "",
    "test/x/y.test.ts": "",
    "test/other.test.ts": 'import "../src/x/y.ts"',
  }
  assert.deepEqual(await covering(t, sources, "src/x/y.ts"), {
    tests: ["test/x/y.test.ts"],
    how: "its mirror",
  })
})

test("without a mirror the tests that import the file, and none that only reach it", async (t) => {
  const sources = {
    "src/x/y.ts": "",
    "src/x/z.ts": 'import { y } from "./y.ts"',
    "test/x/b.test.ts": 'import type { Y } from "../../src/x/y.ts"',
    "test/a.test.ts": 'const { y } = await import("../src/x/y.ts")',
    "test/x/z.test.ts": 'import { z } from "../../src/x/z.ts"',
  }
  const expected = { tests: ["test/a.test.ts", "test/x/b.test.ts"], how: "they import it" }
  assert.deepEqual(await covering(t, sources, "src/x/y.ts"), expected)
})

test("else the nearest that reach it, in the folder next to the mirror's, and no others", async (t) => {
  const sources = {
    "src/x/y.ts": "",
    "src/x/z.ts": 'import { y } from "./y.ts"',
    "src/far.ts": 'import "./x/z.ts"',
    "test/x/near.test.ts": 'import { z } from "../../src/x/z.ts"',
    "test/elsewhere.test.ts": 'import { z } from "../src/x/z.ts"',
    "test/x/farther.test.ts": 'import "../../src/far.ts"',
  }
  const expected = { tests: ["test/x/near.test.ts"], how: "they reach it in 2 steps" }
  assert.deepEqual(await covering(t, sources, "src/x/y.ts"), expected)
})

test("the test of a command, which starts the program, covers what the command imports", async (t) => {
  const sources = {
    "bin/program.js": 'require("../src/cli/main.ts")',
    "src/cli/main.ts": 'await import("./one.ts"); await import("./two.ts")',
    "src/cli/one.ts": 'import "../x/y.ts"',
    "src/cli/two.ts": "",
    "src/x/y.ts": "",
    "test/support/start.ts": 'resolve(import.meta.dirname, "../../bin/program.js")',
    "test/cli/one.test.ts": 'import "../support/start.ts"',
    "test/cli/two.test.ts": 'import "../support/start.ts"',
  }
  assert.deepEqual((await covering(t, sources, "src/x/y.ts")).tests, ["test/cli/one.test.ts"])
  const main = ["test/cli/one.test.ts", "test/cli/two.test.ts"]
  assert.deepEqual((await covering(t, sources, "src/cli/main.ts")).tests, main)
})

test("a file that no test reaches has none", async (t) => {
  const sources = {
    "src/x/y.ts": "",
    "src/z.ts": 'import "./x/y.ts"',
    "test/a.test.ts": 'import "../src/w.ts"',
  }
  assert.deepEqual((await covering(t, sources, "src/x/y.ts")).tests, [])
})
