import assert from "node:assert/strict"
import { readFileSync, readdirSync } from "node:fs"
import { mkdir, readFile, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, it, test } from "node:test"
import { inspect } from "node:util"
import { installFiles } from "../../src/files/install.ts"
import { tempDir } from "../support/temp.ts"
import { tlsFiles, type TlsFiles } from "../support/tls-files.ts"
import { everything, hup, installOptions, purserError, toInstall } from "../files/support.ts"
import { describeTarget } from "./contract.ts"
import { openDirectoryTarget, rollOutInto, stage } from "./support.ts"

describeTarget("a directory", [], openDirectoryTarget)

test("a set is staged before the first rename and in place before the one reload, which is pending until it has run", async (t) => {
  const directory = await tempDir(t)
  await installFiles([toInstall("tls.crt", "old"), toInstall("tls.key", "old")], installOptions(directory))
  const seen: Record<string, unknown> = {}
  const look = (): unknown => ({
    temporary: readdirSync(directory).filter((name) => name.endsWith(".tmp")).length,
    content: ["tls.crt", "tls.key"].map((name) => readFileSync(join(directory, name), "utf8")),
    pending: readdirSync(directory).includes(".purser-owed.json"),
  })
  await rollOutInto([toInstall("tls.crt", "new"), toInstall("tls.key", "new")], {
    ...installOptions(directory, { reload: hup }),
    step: (name) => (seen[name] = look()),
    runReload: async () =>
      void (seen["reload"] = [...((seen["reload"] as unknown[] | undefined) ?? []), look()]),
  })
  assert.deepEqual(seen, {
    staged: { temporary: 2, content: ["old", "old"], pending: false },
    recorded: { temporary: 2, content: ["old", "old"], pending: true },
    renamed: { temporary: 0, content: ["new", "new"], pending: true },
    reload: [{ temporary: 0, content: ["new", "new"], pending: true }],
    reloaded: { temporary: 0, content: ["new", "new"], pending: true },
    cleared: { temporary: 0, content: ["new", "new"], pending: false },
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

describe("files that are checked", () => {
  it("stay when the new certificate is served", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old)
    const result = await rollOutInto(setWith(fresh), options)
    assert.equal(result.reloaded, true)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), fresh.certificate)
    assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
  })

  it("are put back when the key does not match, while the old ones go on being served", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old)
    const before = await stat(join(directory, "tls.key"))
    const bad = [
      ...setWith({ certificate: fresh.certificate, key: (await tlsFiles(t)).key }),
      toInstall("new", "x"),
    ]
    const failed = await rollOutInto(bad, options).then(
      () => null,
      (error: unknown) => error,
    )
    assert.ok(purserError("ERR_CHECK", /the old files are back and served/)(failed))
    assert.doesNotMatch(inspect(failed, { depth: 9 }), /PRIVATE KEY/)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
    assert.equal(await readFile(join(directory, "tls.key"), "utf8"), old.key)
    const after = await stat(join(directory, "tls.key"))
    assert.deepEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid])
    assert.deepEqual(
      await everything(directory),
      ["tls.crt", "tls.key"],
      "the added file is removed, and no reload is pending",
    )
  })

  it("are held back after a failure until their content changes", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options, reloads } = await stage(t, old)
    const bad = setWith({ certificate: fresh.certificate, key: old.key })
    await assert.rejects(rollOutInto(bad, options), purserError("ERR_CHECK", /the old files are back/))
    const count = reloads()
    await assert.rejects(rollOutInto(bad, options), purserError("ERR_CHECK", /held back since/))
    assert.equal(reloads(), count)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
    await rollOutInto(setWith(fresh), options)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), fresh.certificate)
  })

  it("are put back, and the error says so, when the old ones are not served either", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old, "fragile")
    await assert.rejects(
      rollOutInto(setWith({ certificate: fresh.certificate, key: old.key }), options),
      purserError("ERR_CHECK", /the old files are back, but are not served either/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are put back when the service does not read them again", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old, "deaf")
    await assert.rejects(rollOutInto(setWith(fresh), options), purserError("ERR_CHECK", /back and served/))
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are put back when the reload fails", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old)
    let calls = 0
    const runReload = async (): Promise<void> => {
      if (calls++ === 0) throw new Error("no")
    }
    await assert.rejects(
      rollOutInto(setWith(fresh), { ...options, runReload }),
      purserError("ERR_CHECK", /back and served/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are put back where they were, though one secret goes to two paths", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old, "deaf")
    await mkdir(join(directory, "other"))
    await writeFile(join(directory, "other/tls.key"), "other", { mode: 0o444 })
    await assert.rejects(
      rollOutInto([...setWith(fresh), toInstall("tls.key path=other/tls.key", fresh.key)], options),
      purserError("ERR_CHECK", /the old files are back and served/),
    )
    assert.equal(await readFile(join(directory, "tls.key"), "utf8"), old.key)
    assert.equal(await readFile(join(directory, "other/tls.key"), "utf8"), "other")
    assert.equal((await stat(join(directory, "other/tls.key"))).mode & 0o7777, 0o444)
  })

  it("are refused before anything changes when an old one is too large to be kept", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options, reloads } = await stage(t, old)
    await truncate(join(directory, "tls.key"), 17 * 1024 * 1024)
    await assert.rejects(
      rollOutInto(setWith(fresh), options),
      purserError("ERR_CHECK", /the old content of .*tls\.key cannot be kept/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
    assert.equal(reloads(), 0)
  })

  it("are refused before anything changes when none of them is a certificate", async (t) => {
    const old = await tlsFiles(t)
    const { directory, options, reloads } = await stage(t, old)
    await assert.rejects(
      rollOutInto([toInstall("other", "x")], options),
      purserError("ERR_CHECK", /no file holds a certificate/),
    )
    assert.equal(reloads(), 0)
    assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
  })
})

function setWith({ certificate, key }: TlsFiles) {
  return [toInstall("tls.crt", certificate), toInstall("tls.key", key)]
}
