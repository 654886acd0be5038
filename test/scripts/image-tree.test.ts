import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { globSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { writeImageTree } from "../../scripts/image-tree.ts"
import { tempDir } from "../support/temp.ts"

const root = resolve(import.meta.dirname, "../..")

test("the image's tree holds bin, the bundle and the licences, and starts the bundle", async (t) => {
  const dir = await tempDir(t)
  const dist = join(dir, "dist")
  await mkdir(join(dist, "cli"), { recursive: true })
  await mkdir(join(dist, "node"))
  await writeFile(join(dist, "index.js"), "")
  await writeFile(join(dist, "THIRD-PARTY-LICENSES.txt"), "")
  await writeFile(join(dist, "cli/main.cjs"), 'console.log("the bundle", typeof require)')
  await writeFile(join(dist, "cli/main.cjs.map"), "{}")
  const tree = join(dir, "image")
  await writeImageTree(root, dist, tree)

  assert.deepEqual(globSync("**/*.*", { cwd: tree }).sort(), [
    "bin/compile-cache.js",
    "bin/package.json",
    "bin/purser.js",
    "dist/THIRD-PARTY-LICENSES.txt",
    "dist/cli/main.cjs",
    "package.json",
  ])
  const { stdout } = await promisify(execFile)(process.execPath, [join(tree, "bin/purser.js")])
  assert.equal(stdout, "the bundle function\n")
})
