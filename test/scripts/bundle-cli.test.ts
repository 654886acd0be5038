import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { globSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { after, before, suite, test } from "node:test"
import { promisify } from "node:util"
import { bundleCli, type CliBundle } from "../../scripts/bundle-cli.ts"
import { licencesOf } from "../../scripts/licences.ts"
import { groups } from "../../src/cli/commands.ts"
import { tempDir } from "../support/temp.ts"

const exec = promisify(execFile)
const root = resolve(import.meta.dirname, "../..")

suite("the bundle of the command line", () => {
  let home: string
  let bundle: CliBundle
  const run = async (...args: string[]) =>
    (await exec(process.execPath, [join(home, "cli/main.cjs"), ...args])).stdout

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "purser-test-bundle-"))
    bundle = await bundleCli(join(root, "src/cli/main.ts"), join(home, "cli"))
    await writeFile(join(home, "package.json"), '{"type":"module"}')
  })
  after(() => rm(home, { recursive: true, force: true }))

  test("every command prints its help, and the same as the source does", async () => {
    for (const { name } of groups.flatMap(({ commands }) => commands)) {
      const source = await exec(process.execPath, [join(root, "src/cli/main.ts"), name, "--help"])
      assert.equal(await run(name, "--help"), source.stdout, name)
    }
  })

  test("a command loads its own chunk and not those of others", async () => {
    for (const name of ["cp", "secret", "ca", "doctor", "run", "agent", "node"])
      assert.ok(bundle.files.includes(`${name}.cjs`), name)
    const needed = async (chunk: string) =>
      [
        ...(await readFile(join(home, "cli", chunk), "utf8")).matchAll(/^const \w+ = require\("(.*)"\)/gm),
      ].map(([, name]) => name)
    assert.deepEqual(await needed("main.cjs"), [], "--version is answered before anything is loaded")
    const program = await needed("program.cjs")
    assert.ok(program.length > 2)
    for (const name of ["cp", "secret", "ca", "doctor", "run", "agent"])
      assert.ok(!program.includes(`./${name}.cjs`), name)
  })

  test("a module of Node's is loaded when it is used, and not before", async () => {
    const probe = `process.on("exit", () => console.error(process.moduleLoadList.join()))
      process.argv.splice(1, 0, "purser")
      require(${JSON.stringify(join(home, "cli/main.cjs"))})`
    const loaded = async (...args: string[]) =>
      (await exec(process.execPath, ["-e", probe, ...args])).stderr.split(",")
    const forHelp = await loaded("secret", "--help")
    assert.ok(forHelp.includes("NativeModule path"))
    for (const name of ["http", "tls", "crypto", "sqlite"])
      assert.ok(!forHelp.includes(`NativeModule ${name}`), name)
    const state = join(home, "state")
    assert.ok(
      (await loaded("secret", "set", "one", "--generate", "32", "--state", state)).includes(
        "NativeModule crypto",
      ),
    )
  })

  test("a chunk is ASCII, which the executable relies on", async () => {
    for (const name of bundle.files.filter((file) => file.endsWith(".cjs"))) {
      const bytes = await readFile(join(home, "cli", name))
      assert.ok(
        bytes.every((byte) => byte < 0x80),
        name,
      )
    }
  })

  test("a package that is in the source maps is in the licences", async () => {
    const inMaps = new Set<string>()
    for (const map of globSync("*.map", { cwd: join(home, "cli") })) {
      const { sources } = JSON.parse(await readFile(join(home, "cli", map), "utf8")) as { sources: string[] }
      for (const source of sources) {
        const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1]
        if (name === undefined) assert.match(source, /^\.\.\/\.\.\/src\//, "or it is our own source")
        else inMaps.add(name)
      }
    }
    assert.ok(inMaps.size > 20)
    const text = await licencesOf(bundle.packages)
    for (const name of inMaps) assert.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(\\S+\\)$`, "m"))
    assert.ok(text.includes("Permission is hereby granted"))
  })

  test("a stack trace has the names of the source, and with the maps its files and lines", async () => {
    const code = await readFile(join(home, "cli/destination.cjs"), "utf8")
    assert.match(code, /^function parseDestination\(/m)
    const failing = [join(home, "cli/main.cjs"), "cp", "file", "no-colon", "--json", "--verbose"]
    await assert.rejects(
      exec(process.execPath, ["--enable-source-maps", ...failing]),
      (error: Error & { stderr: string }) => {
        const { stack } = JSON.parse(error.stderr) as { stack: string }
        assert.match(stack, /at (?:Object\.)?parseDestination \(.*src\/cli\/cp\/destination\.ts:\d+:\d+\)/)
        return true
      },
    )
  })
})

test("a package without a licence is not bundled", async (t) => {
  const directory = join(await tempDir(t), "node_modules/nobody")
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, "package.json"), '{"name":"nobody","version":"1.0.0","license":"MIT"}')
  await assert.rejects(licencesOf([directory]), /the package nobody has no licence/)
  await writeFile(join(directory, "LICENSE.md"), "Do as you like.")
  assert.match(await licencesOf([directory]), /^nobody 1\.0\.0 \(MIT\)\n\nDo as you like\.$/m)
})

test("a bundle that would still need a package is not made", async (t) => {
  const directory = await tempDir(t)
  await writeFile(join(directory, "entry.ts"), 'import { parse } from "not-a-package"; console.log(parse)')
  await assert.rejects(bundleCli(join(directory, "entry.ts"), join(directory, "out")), /not-a-package/)
})
