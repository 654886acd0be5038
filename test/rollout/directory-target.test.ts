import assert from "node:assert/strict"
import { readFileSync, readdirSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { installFiles } from "../../src/files/install.ts"
import { tempDir } from "../support/temp.ts"
import { everything, hup, installOptions, purserError, toInstall } from "../files/support.ts"
import { rollOutInto } from "./support.ts"

test("a set is staged whole before the first rename, in place whole before the one reload, and owed until after it", async (t) => {
  const directory = await tempDir(t)
  await installFiles([toInstall("tls.crt", "old"), toInstall("tls.key", "old")], installOptions(directory))
  const seen: Record<string, unknown> = {}
  const look = (): unknown => ({
    temporary: readdirSync(directory).filter((name) => name.endsWith(".tmp")).length,
    content: ["tls.crt", "tls.key"].map((name) => readFileSync(join(directory, name), "utf8")),
    owed: readdirSync(directory).includes(".purser-owed.json"),
  })
  await rollOutInto([toInstall("tls.crt", "new"), toInstall("tls.key", "new")], {
    ...installOptions(directory, { reload: hup }),
    step: (name) => (seen[name] = look()),
    runReload: async () =>
      void (seen["reload"] = [...((seen["reload"] as unknown[] | undefined) ?? []), look()]),
  })
  assert.deepEqual(seen, {
    staged: { temporary: 2, content: ["old", "old"], owed: false },
    recorded: { temporary: 2, content: ["old", "old"], owed: true },
    renamed: { temporary: 0, content: ["new", "new"], owed: true },
    reload: [{ temporary: 0, content: ["new", "new"], owed: true }],
    reloaded: { temporary: 0, content: ["new", "new"], owed: true },
    cleared: { temporary: 0, content: ["new", "new"], owed: false },
  })
})

test("two hundred files in one directory are one set, with one reload", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup })
  const files = Array.from({ length: 200 }, (_, index) => toInstall(`f${index}`, `content ${index}`))
  assert.equal((await rollOutInto(files, options)).written.length, 200)
  assert.deepEqual(options.reloads, ["HUP"])
  assert.equal((await everything(directory)).length, 200)
})

test("unchanged content reloads nothing, also where its mode is corrected", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup })
  await rollOutInto([toInstall("key", "same")], options)
  assert.deepEqual(options.reloads, ["HUP"])
  for (const line of ["key", "key mode=0440"]) {
    const result = await rollOutInto([toInstall(line, "same")], options)
    const nothing = { written: [], replaced: [], unchanged: ["key"], reloaded: false, checked: false }
    assert.deepEqual(result, nothing)
  }
  assert.deepEqual(options.reloads, ["HUP"])
})

test("when one of a set cannot be staged, nothing is reloaded, and no reload is pending", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup })
  await writeFile(join(directory, "tls.crt"), "old")
  await mkdir(join(directory, "tls.key"))
  await assert.rejects(
    rollOutInto([toInstall("tls.crt", "new"), toInstall("tls.key", "new")], options),
    purserError("ERR_TARGET", /cannot write .*tls\.key: a directory is there/),
  )
  assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), "old")
  assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
  assert.deepEqual(options.reloads, [])
})
