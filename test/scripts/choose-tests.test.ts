import assert from "node:assert/strict"
import { mkdir, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { chooseTests } from "../../scripts/choose-tests.ts"
import { tempDir } from "../support/temp.ts"

const root = resolve(import.meta.dirname, "../..")
const choose = (...args: string[]) => {
  const { files, ...rest } = chooseTests(
    root,
    args.map((arg) => join(root, arg)),
  )
  return { files: files.map((file) => file.slice(root.length + 1)), ...rest }
}

test("no argument means every test", () => {
  const { files } = chooseTests(root, [])
  assert.ok(files.length > 100 && files.includes(import.meta.filename))
})

test("a file of src means the tests that cover it, which are named", () => {
  const { files, notes } = choose("src/base/names.ts")
  assert.deepEqual(files, ["test/base/names.test.ts"])
  assert.deepEqual(notes, ["src/base/names.ts is covered by test/base/names.test.ts (its mirror)"])
})

test("a folder of src means the mirror; several arguments mean each test once", () => {
  const mirrored = choose("src/base", "test/base/names.test.ts", "src/base/names.ts")
  assert.deepEqual(mirrored.files, choose("test/base").files)
  assert.ok(mirrored.files.length > 5)
})

test("what is not there, and what has no test, is told", () => {
  const { files, problems } = choose("src/base/none.ts", "docs", "LICENSE")
  assert.deepEqual(files, [])
  assert.deepEqual(problems, [
    "there is no src/base/none.ts",
    "no test is in docs, nor in its mirror",
    "no test covers LICENSE",
  ])
})

test("soak tests are for a soak, or for whoever names them", async (t) => {
  const dir = await tempDir(t)
  await mkdir(join(dir, "test/x"), { recursive: true })
  const [ordinary, deep] = [join(dir, "test/a.test.ts"), join(dir, "test/x/b.soak.ts")]
  for (const file of [ordinary, deep]) await writeFile(file, "")
  assert.deepEqual(chooseTests(dir, []).files, [ordinary])
  assert.deepEqual(chooseTests(dir, [], "*.{test,soak}.ts").files, [ordinary, deep])
  assert.deepEqual(chooseTests(dir, [deep]).files, [deep])
})
