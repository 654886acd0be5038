import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { test } from "node:test"
import { rolldown } from "rolldown"

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
    assert.match(version, /^(?:npm:[\w@/-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/, name)
  }
})

test("a dependency is what the library imports; what only the command line needs is in its bundle", async () => {
  await using build = await rolldown({
    input: resolve(root, "src/index.ts"),
    platform: "node",
    external: /^(?!\.{0,2}\/)/,
    // What is imported for its types alone stands in the declarations, and is needed as well.
    treeshake: false,
  })
  const { output } = await build.generate({ format: "esm" })
  const imported = output.flatMap((part) =>
    part.type === "chunk" ? [...part.imports, ...part.dynamicImports] : [],
  )
  const files = new Set(output.map(({ fileName }) => fileName))
  const packages = new Set(imported.filter((name) => !files.has(name) && !name.startsWith("node:")))
  const { dependencies } = read("package.json") as Record<string, object>
  assert.deepEqual([...packages].sort(), Object.keys(dependencies ?? {}).sort())
})

test("no package asks to run a script of its own at installation", () => {
  const packages = read("package-lock.json")["packages"] as Record<string, { hasInstallScript?: boolean }>
  assert.deepEqual(
    Object.keys(packages).filter((path) => packages[path]?.hasInstallScript === true),
    [],
  )
})
