import assert from "node:assert/strict"
import { spawn, type ChildProcess } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { once } from "node:events"
import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, it, type TestContext } from "node:test"
import fc from "fast-check"
import { inspect } from "node:util"
import { Secret } from "../../src/base/secret.ts"
import {
  checkServed,
  formatCheck,
  leafAmong,
  leafIn,
  localHosts,
  parseCheck,
} from "../../src/rollout/check.ts"
import { parseFileLine } from "../../src/files/file-line.ts"
import { deliverFiles } from "../../src/rollout/deliver-files.ts"
import { FailedSets, contentsDigest } from "../../src/rollout/failed-sets.ts"
import { recordPendingReloads } from "../../src/rollout/pending-reload.ts"
import { installFiles, type InstallOptions } from "../../src/rollout/install.ts"
import { tempDir } from "../support/temp.ts"
import { tlsFiles, type TlsFiles } from "../support/tls-files.ts"
import { agentWith, everything, hup, installOptions, purserError, toInstall } from "../files/support.ts"
import { freePort } from "../support/free-port.ts"

const signal = new AbortController().signal
const server = join(import.meta.dirname, "../fixtures/tls-server.mjs")

describe("a check as text", () => {
  it("is read and written the same", () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,10}$/)
    const host = fc.oneof(
      fc.constant(null),
      word.filter((text) => !/^[\d.]+$/.test(text)),
      fc.constant("::1"),
      fc.ipV4(),
    )
    const checks = fc.record({
      host,
      port: fc.integer({ min: 1, max: 65_535 }),
      withinMs: fc.integer({ min: 1, max: 600_000 }),
    })
    fc.assert(
      fc.property(checks, fc.option(word), (check, file) => {
        const whole = { ...check, ...(file === null ? {} : { file }), serverName: "shop.lan" }
        assert.deepEqual(parseCheck(formatCheck(whole)), whole)
      }),
    )
  })

  it("is read, or refused with ERR_USAGE, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
        try {
          parseCheck(text)
        } catch (error) {
          assert.ok(purserError("ERR_USAGE", /./)(error))
        }
      }),
    )
    const wrong = [
      "",
      "host",
      ":0",
      ":65536",
      ":443 file",
      ":443 within=0s",
      ":443 within=11m",
      ":443 name=1.2.3.4",
    ]
    for (const text of [...wrong, ":443 file=a file=b", "[x]:443", "a b:443", "-a:443"])
      assert.throws(() => parseCheck(text), purserError("ERR_USAGE", /./), text)
  })
})

describe("a check", () => {
  it("finds the certificate in PEM after a key, in DER, and nothing in a key", async (t) => {
    const { certificate, key } = await tlsFiles(t)
    const expected = leafIn(Buffer.from(certificate))
    assert.ok(expected)
    assert.deepEqual(leafIn(Buffer.from(`${key}${certificate}`)), expected)
    assert.deepEqual(leafIn(new X509Certificate(certificate).raw), expected)
    assert.equal(leafIn(Buffer.from(key)), null)
    const files = [
      { name: "www/ca.crt", content: new Secret((await tlsFiles(t)).certificate) },
      { name: "www/tls.crt", content: new Secret(certificate) },
    ]
    assert.deepEqual(leafAmong({}, files), expected)
    assert.throws(() => leafAmong({ file: "other" }, files), purserError("ERR_CHECK", /"?other"?/))
  })

  it("waits for a server that comes late, and names what it found when it does not", async (t) => {
    const files = await tlsFiles(t)
    const port = await freePort()
    const expected = leafIn(Buffer.from(files.certificate)) ?? { sha256: "" }
    await assert.rejects(
      checkServed(parseCheck(`127.0.0.1:${port} within=300ms`), expected, [], signal),
      purserError("ERR_CHECK", new RegExp(`127\\.0\\.0\\.1:${port} cannot be asked \\(ECONNREFUSED\\)`)),
    )
    const checking = checkServed(parseCheck(`:${port} within=15s`), expected, localHosts, signal)
    await serve(t, await directoryWith(t, files), "usual", port)
    await checking
    const other = leafIn(Buffer.from((await tlsFiles(t)).certificate)) ?? { sha256: "" }
    await assert.rejects(
      checkServed(parseCheck(`127.0.0.1:${port} within=300ms`), other, [], signal),
      purserError(
        "ERR_CHECK",
        new RegExp(`${other.sha256.slice(0, 16)}.*serves sha256:${expected.sha256.slice(0, 16)}`),
      ),
    )
  })

  it("ends at once when it is cancelled", async () => {
    const stop = new AbortController()
    const checking = checkServed(parseCheck("127.0.0.1:1 within=10m"), { sha256: "0" }, [], stop.signal)
    stop.abort(new Error("stopped"))
    await assert.rejects(checking, /stopped/)
  })
})

describe("files that are checked", () => {
  it("stay when the new certificate is served", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old)
    const result = await installFiles(setOf(fresh), options)
    assert.equal(result.reloaded, true)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), fresh.certificate)
    assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
  })

  it("are put back when the key does not match, while the old ones go on being served", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old)
    const before = await stat(join(directory, "tls.key"))
    const bad = [
      ...setOf({ certificate: fresh.certificate, key: (await tlsFiles(t)).key }),
      toInstall("new", "x"),
    ]
    const failed = await installFiles(bad, options).then(
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

  it("are held back after a failure until their content changes or the time is over", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options, reloads } = await stage(t, old)
    const bad = setOf({ certificate: fresh.certificate, key: old.key })
    await assert.rejects(installFiles(bad, options), purserError("ERR_CHECK", /the old files are back/))
    const count = reloads()
    await assert.rejects(installFiles(bad, options), purserError("ERR_CHECK", /held back since/))
    assert.equal(reloads(), count)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
    await installFiles(setOf(fresh), options)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), fresh.certificate)
    const held = new FailedSets(0)
    const contents = contentsDigest(bad.map(({ line, content }) => ({ name: line.name, content })))
    held.recordFailure("x", contents)
    held.throwIfFailed("x", contents)
  })

  it("are put back, and the error says so, when the old ones are not served either", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old, "fragile")
    await assert.rejects(
      installFiles(setOf({ certificate: fresh.certificate, key: old.key }), options),
      purserError("ERR_CHECK", /the old files are back, and are not served either/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are put back when the service does not read them again", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options } = await stage(t, old, "deaf")
    await assert.rejects(installFiles(setOf(fresh), options), purserError("ERR_CHECK", /back, and served/))
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
      installFiles(setOf(fresh), { ...options, runReload }),
      purserError("ERR_CHECK", /back, and served/),
    )
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  })

  it("are refused before anything changes when none of them is a certificate", async (t) => {
    const old = await tlsFiles(t)
    const { directory, options, reloads } = await stage(t, old)
    await assert.rejects(
      installFiles([toInstall("other", "x")], options),
      purserError("ERR_CHECK", /none of the files holds a certificate/),
    )
    assert.equal(reloads(), 0)
    assert.deepEqual(await everything(directory), ["tls.crt", "tls.key"])
  })

  it("are checked after a reload that a dead process owed, which can only report, and once", async (t) => {
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { directory, options, reloads } = await stage(t, old, "deaf")
    const { certificate, key } = fresh
    await writeFile(join(directory, "tls.crt"), certificate)
    await writeFile(join(directory, "tls.key"), key)
    const { digest } = new Secret(certificate)
    await recordPendingReloads(directory, [{ leaf: "tls.crt", digest, reload: "HUP" }])
    const lines = ["tls.crt mode=0444", "tls.key mode=0440"].map(parseFileLine)
    const fetch = agentWith({ "tls.crt": certificate, "tls.key": key })
    const fill = () => deliverFiles(lines, fetch, { ...options, inUse: false })
    await assert.rejects(fill(), purserError("ERR_CHECK", /is not served/))
    assert.equal(reloads(), 1)
    assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), certificate)
    await fill()
    assert.equal(reloads(), 1)
  })

  it("are not checked while nobody can use them", async (t) => {
    const directory = await tempDir(t)
    const { certificate, key } = await tlsFiles(t)
    const options = { ...installOptions(directory), inUse: false, reload: hup }
    const check = { check: parseCheck("127.0.0.1:1"), hosts: [], held: new FailedSets(), target: "x" }
    const lines = ["tls.crt", "tls.key"].map(parseFileLine)
    const fetch = agentWith({ "tls.crt": certificate, "tls.key": key })
    const result = await deliverFiles(lines, fetch, { ...options, check })
    assert.equal(result.written, 2)
  })
})

function setOf({ certificate, key }: TlsFiles) {
  return [toInstall("tls.crt", certificate), toInstall("tls.key", key)]
}

async function directoryWith(t: TestContext, { certificate, key }: TlsFiles): Promise<string> {
  const directory = await tempDir(t)
  await writeFile(join(directory, "tls.crt"), certificate, { mode: 0o444 })
  await writeFile(join(directory, "tls.key"), key, { mode: 0o440 })
  return directory
}

async function serve(
  t: TestContext,
  directory: string,
  mode: string,
  port = 0,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [server, directory, String(port), mode], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  const [said] = (await once(child.stdout, "data")) as [Buffer]
  return { child, port: Number(said.toString()) }
}

/** A server that serves these, and options that signal it and check it. */
async function stage(
  t: TestContext,
  old: TlsFiles,
  mode = "usual",
): Promise<{ directory: string; options: InstallOptions; reloads: () => number }> {
  const directory = await directoryWith(t, old)
  const { child, port } = await serve(t, directory, mode)
  let count = 0
  const check = { ...parseCheck(`:${port} within=1s`), withinMs: mode === "usual" ? 6000 : 2000 }
  const options: InstallOptions = {
    ...installOptions(directory),
    reload: hup,
    runReload: async () => {
      count++
      child.kill("SIGHUP")
    },
    check: { check, hosts: localHosts, held: new FailedSets(), target: "web" },
  }
  return { directory, options, reloads: () => count }
}
