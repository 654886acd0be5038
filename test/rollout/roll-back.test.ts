import assert from "node:assert/strict"
import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { describe, it } from "node:test"
import { inspect } from "node:util"
import { tlsFiles, type TlsFiles } from "../support/tls-files.ts"
import { everything, purserError, toInstall } from "../files/support.ts"
import { rollOutInto, stage } from "./support.ts"

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
    assert.ok(purserError("ERR_CHECK", /the old files are back, and served/)(failed))
    assert.doesNotMatch(inspect(failed, { depth: 9 }), /PRIVATE KEY/)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
    assert.equal(await readFile(join(directory, "tls.key"), "utf8"), old.key)
    const after = await stat(join(directory, "tls.key"))
    assert.deepEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid])
    assert.deepEqual(
      await everything(directory),
      ["tls.crt", "tls.key"],
      "what was added is gone, no reload is owed",
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
      purserError("ERR_CHECK", /the old files are back, and are not served either/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are put back when the service does not read them again", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old, "deaf")
    await assert.rejects(rollOutInto(setWith(fresh), options), purserError("ERR_CHECK", /back, and served/))
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
      purserError("ERR_CHECK", /back, and served/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are refused before anything changes when none of them is a certificate", async (t) => {
    const old = await tlsFiles(t)
    const { directory, options, reloads } = await stage(t, old)
    await assert.rejects(
      rollOutInto([toInstall("other", "x")], options),
      purserError("ERR_CHECK", /none of the files holds a certificate/),
    )
    assert.equal(reloads(), 0)
    assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
  })
})

function setWith({ certificate, key }: TlsFiles) {
  return [toInstall("tls.crt", certificate), toInstall("tls.key", key)]
}
