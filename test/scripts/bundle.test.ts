import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { stat, writeFile } from "node:fs/promises"
import { isBuiltin } from "node:module"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import { bundleReceiver, deferImports, maximumBytes, writeReceiver } from "../../scripts/bundle.ts"
import { errorKinds } from "../../src/base/errors/table.ts"
import { oldNode, requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const exec = promisify(execFile)
const entry = resolve(import.meta.dirname, "../../src/cli/node/receiver.ts")

test("the receiver is one small executable file that imports nothing but node: modules", async (t) => {
  const file = join(await tempDir(t), "purser-node.mjs")
  const size = await writeReceiver(entry, file)
  assert.ok(size < maximumBytes)
  assert.equal((await stat(file)).mode & 0o777, 0o755)
  const code = await bundleReceiver(entry)
  assert.match(code, /^#!\/usr\/bin\/env node\n/)
  assert.doesNotMatch(code, /about:/, "the texts of docs/errors.md are left out")
  const specifiers = [...code.matchAll(/\bimport\s*\(\s*["`]([^"`]+)["`]\s*\)/g)].map(
    (match) => match[1] ?? "",
  )
  assert.ok(specifiers.length > 5)
  assert.deepEqual(
    specifiers.filter((name) => !name.startsWith("node:") || !isBuiltin(name)),
    [],
  )
  assert.doesNotMatch(code, /^\s*(?:import|export)\s[^(]|\bimport\s*\(\s*[^"`\s]|\brequire\s*\(/m)
  assert.match((await exec(process.execPath, [file, "--help"])).stdout, /Usage: purser node/)
})

test("the receiver disposes by our own short helper", async () => {
  const code = await bundleReceiver(entry)
  assert.doesNotMatch(code, /SuppressedError/)
})

test("a bundle has the exit code of every error, and nothing else of the table", async (t) => {
  const dir = await tempDir(t)
  const source = join(dir, "entry.ts")
  const table = resolve(import.meta.dirname, "../../src/base/errors/table.ts")
  const codes = Object.keys(errorKinds)
  await writeFile(
    source,
    `import { exitCodeOf } from ${JSON.stringify(table)}; console.log(JSON.stringify(${JSON.stringify(codes)}.map(exitCodeOf)))`,
  )
  const file = join(dir, "out.mjs")
  assert.ok((await writeReceiver(source, file)) < 4096)
  const { stdout } = await exec(process.execPath, [file])
  assert.deepEqual(
    JSON.parse(stdout),
    Object.values(errorKinds).map(({ exit }) => exit),
  )
})

test("the receiver runs on Node 22.0.0", async (t) => {
  if (!(await requireService(t, "node22"))) return
  const file = join(await tempDir(t), "purser-node.mjs")
  await writeReceiver(entry, file)
  assert.match((await exec(oldNode(22), [file, "--help"])).stdout, /Usage: purser node/)
})

test("the receiver tells an older Node which one it needs, and not a SyntaxError", async (t) => {
  if (!(await requireService(t, "node18"))) return
  const dir = await tempDir(t)
  // A name that no Node has: with static imports it would fail before the first line.
  await writeFile(join(dir, "entry.ts"), 'import { no } from "node:fs"; console.log(no)')
  const file = join(dir, "out.mjs")
  for (const source of [entry, join(dir, "entry.ts")]) {
    await writeReceiver(source, file)
    await assert.rejects(exec(oldNode(18), [file]), (error: Error & { code: number; stderr: string }) => {
      assert.equal(error.code, 2)
      assert.match(
        error.stderr,
        /^purser: this is Node 18\.\S+, and this receiver needs Node 22 or later\nhint: .*\n$/,
      )
      return true
    })
  }
})

test("a receiver that reaches a package is not built", async (t) => {
  const dir = await tempDir(t)
  await writeFile(join(dir, "entry.ts"), 'import { parse } from "not-a-node-module"; console.log(parse)')
  await assert.rejects(bundleReceiver(join(dir, "entry.ts")), /not-a-node-module/)
})

test("every form of import is deferred", () => {
  const imports = [
    'import "node:a";',
    'import b from "node:b";',
    'import { c, d as e } from "node:c/d";',
    'import f, { g as h } from "node:f";',
    'import * as i from "node:i";',
  ]
  assert.equal(
    deferImports([...imports, "run();", "export {};"].join("\n")),
    [
      'await import("node:a");',
      'const { default: b } = await import("node:b");',
      'const { c, d: e } = await import("node:c/d");',
      'const { default: f, g: h } = await import("node:f");',
      'const i = await import("node:i");',
      "run();",
      "",
    ].join("\n"),
  )
  assert.throws(() => deferImports('import yaml from "yaml";'), /would still need: import yaml/)
  assert.throws(() => deferImports("export { x };"), /would still need: export/)
})
