import assert from "node:assert/strict"
import { existsSync, globSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { productionPackages, writeImageTree } from "../../scripts/image-tree.ts"
import { tempDir } from "../support/temp.ts"

const root = resolve(import.meta.dirname, "../..")

test("the image's tree holds what runs: every production package, no other, and no sources", async (t) => {
  const dir = await tempDir(t)
  const dist = join(dir, "compiled")
  await mkdir(dist)
  await writeFile(join(dist, "index.js"), "")
  await writeFile(join(dist, "index.d.ts"), "")
  const tree = join(dir, "image")
  await writeImageTree(root, dist, tree)

  const { dependencies, devDependencies } = JSON.parse(
    await readFile(join(root, "package.json"), "utf8"),
  ) as Record<"dependencies" | "devDependencies", Record<string, string>>
  for (const name of Object.keys(dependencies))
    assert.ok(existsSync(join(tree, "node_modules", name, "package.json")), name)
  for (const name of Object.keys(devDependencies))
    assert.ok(!existsSync(join(tree, "node_modules", name)), name)
  assert.ok(existsSync(join(tree, "dist/index.js")))
  assert.deepEqual(globSync("**/*.{ts,map}", { cwd: tree }), [])
  for (const path of await productionPackages(root))
    assert.ok(existsSync(join(tree, path, "package.json")), path)
})
