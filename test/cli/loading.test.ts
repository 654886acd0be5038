import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join, relative, resolve } from "node:path"
import { suite, test } from "node:test"
import { fileURLToPath } from "node:url"
import { tempDir } from "../support/temp.ts"
import { bin, purser, type RunOptions } from "./purser.ts"

/** The modules that each command loads, because every unneeded one delays its output. */

const hook = `import { registerHooks } from "node:module"
  registerHooks({ load(url, context, next) { process.stderr.write(url + "\\n"); return next(url, context) } })`
const preload = `data:text/javascript,${encodeURIComponent(hook)}`

/** Files of the command's process, relative to the repository, and the packages that some of them belong to. */
async function loadedBy(args: readonly string[], options: RunOptions = {}) {
  const env = { ...options.env, NODE_OPTIONS: `--import=${preload}` }
  const { stderr } = await purser(args, { ...options, env })
  const urls = stderr.split("\n").filter((url) => url.startsWith("file:"))
  const files = urls.map((url) => relative(resolve(bin, "../.."), fileURLToPath(url)).replaceAll("\\", "/"))
  const packages = files.flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])
  return { files, packages: new Set(packages) }
}

const parsers = (packages: ReadonlySet<string>): string[] =>
  ["zod", "yaml"].filter((one) => packages.has(one))

test("--version loads nothing but the entry and the version", async () => {
  const { files } = await loadedBy(["--version"])
  assert.deepEqual(files.toSorted(), [
    "bin/compile-cache.js",
    "bin/purser.js",
    "src/base/version.ts",
    "src/cli/main.ts",
  ])
})

for (const args of [
  ["node", "--enrol", "nonsense"],
  ["health", "--status", "status.json"],
]) {
  test(`${args[0]} loads no package at all`, async (t) => {
    const { files, packages } = await loadedBy(args, { cwd: await tempDir(t) })
    assert.ok(files.includes(`src/cli/node/${args[0]}.ts`), files.join("\n"))
    assert.deepEqual(packages, new Set())
  })
}

suite("without a configuration file neither zod nor yaml is loaded", () => {
  for (const args of [
    ["secret", "ls"],
    ["secret", "get", "key"],
    ["secret", "set", "other", "--file", "content"],
    ["cp", "content", "purser-test-no-such-container:/run/content"],
    ["run", "--secret", "key", "--", "purser-test-no-such-image"],
    ["nodes", "ls"],
    ["enrol", "web"],
    ["audit", "verify"],
  ]) {
    test(`by ${args.slice(0, 2).join(" ")}`, async (t) => {
      const cwd = await tempDir(t)
      const options = { cwd, env: { PURSER_STATE: join(cwd, "state") } }
      await writeFile(join(cwd, "content"), "of a file")
      assert.equal((await purser(["secret", "set", "key", "--file", "content"], options)).code, 0)
      const { packages } = await loadedBy(args, options)
      assert.ok(packages.has("commander"), "the hook sees packages")
      assert.deepEqual(parsers(packages), [])
    })
  }

  for (const name of ["purser.yaml", "ca.yaml"]) {
    test(`both are for ${name}`, async (t) => {
      const cwd = await tempDir(t)
      await writeFile(join(cwd, name), "")
      const { packages } = await loadedBy(["--state", "state", "secret", "ls"], { cwd })
      assert.deepEqual(parsers(packages), ["zod", "yaml"])
    })
  }
})
