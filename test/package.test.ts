import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { test } from "node:test"

const root = resolve(import.meta.dirname, "..")
const read = (file: string) =>
  JSON.parse(readFileSync(resolve(root, file), "utf8")) as Record<string, unknown>

interface LockEntry {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
}

test("the lock file holds a digest for every package, and no registry's address", () => {
  const packages = Object.entries(read("package-lock.json")["packages"] as Record<string, LockEntry>)
  assert.ok(packages.length > 50)
  for (const [path, { resolved, integrity }] of packages) {
    if (path === "") continue
    assert.equal(resolved, undefined, path)
    assert.match(integrity ?? "", /^sha512-/, path)
  }
})

test("every dependency has an exact version", () => {
  const { dependencies, devDependencies } = read("package.json") as Record<string, Record<string, string>>
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name)
  }
})

test("no package asks to run a script of its own at installation", () => {
  const packages = read("package-lock.json")["packages"] as Record<string, { hasInstallScript?: boolean }>
  assert.deepEqual(
    Object.keys(packages).filter((path) => packages[path]?.hasInstallScript === true),
    [],
  )
})
