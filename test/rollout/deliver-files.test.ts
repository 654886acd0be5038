import assert from "node:assert/strict"
import { mkdirSync, rmSync } from "node:fs"
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { digestOf } from "../../src/base/digest.ts"
import { Secret } from "../../src/base/secret.ts"
import { parseFileLine, parseFileLines } from "../../src/files/file-line.ts"
import { deliverFiles, type Fetch } from "../../src/rollout/deliver-files.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { FailedSets } from "../../src/rollout/failed-sets.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { tlsFiles } from "../support/tls-files.ts"
import { stage } from "./support.ts"
import { agentWith, everything, hup, installOptions, notingLog, purserError } from "../files/support.ts"

test("a first delivery of files that were not there needs no reload", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup, inUse: false })
  const agent = agentWith({ a: "1", b: "2" })
  const result = await deliverFiles(parseFileLines("a\nb"), agent, options)
  assert.deepEqual(result, {
    files: parseFileLines("a\nb").map((line) => ({ line, status: "sent" })),
    written: 2,
    unchanged: 0,
    missing: 0,
    required: [join(directory, "a"), join(directory, "b")],
    lacking: [],
  })
  assert.deepEqual(agent.haves, [null, null])
  assert.deepEqual(options.reloads, [])
  assert.deepEqual(await everything(directory), ["a", "b"])
})

test("a delivery that replaces content needs a reload", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup, inUse: false })
  await writeFile(join(directory, "a"), "old", { mode: 0o400 })
  await deliverFiles(parseFileLines("a\nb"), agentWith({ a: "1", b: "2" }), options)
  assert.deepEqual(options.reloads, ["HUP"])
})

test("a delivery that adds an optional file to a complete set needs a reload", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup, inUse: false })
  await writeFile(join(directory, "a"), "1", { mode: 0o400 })
  await deliverFiles(parseFileLines("a\nb optional"), agentWith({ a: "1", b: "2" }), options)
  assert.deepEqual(options.reloads, ["HUP"])
})

test("a delivery that completes a set needs no reload", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup, inUse: false })
  await writeFile(join(directory, "a"), "1", { mode: 0o400 })
  await deliverFiles(parseFileLines("a\nb"), agentWith({ a: "1", b: "2" }), options)
  assert.deepEqual(options.reloads, [])
})

test("once the files are in use, a new file needs a reload, and no change needs none", async (t) => {
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup, inUse: true })
  const agent = agentWith({ a: "1" })
  await deliverFiles(parseFileLines("a"), agent, options)
  assert.deepEqual(options.reloads, ["HUP"])
  const again = await deliverFiles(parseFileLines("a"), agent, options)
  assert.deepEqual([again.written, again.unchanged, again.files[0]?.status], [0, 1, "match"])
  assert.deepEqual(agent.haves, [null, digestOf(Buffer.from("1"))])
  assert.deepEqual(options.reloads, ["HUP"])
})

test("a missing file is lacking only if it is required, and the others are installed", async (t) => {
  const directory = await tempDir(t)
  const lines = parseFileLines("a\nb optional\nc\nd path=sub/d")
  const result = await deliverFiles(
    lines,
    agentWith({ a: "1", d: "4" }),
    installOptions(directory, { inUse: false }),
  )
  assert.deepEqual(result.lacking, ["c"])
  assert.deepEqual([result.written, result.missing], [2, 2])
  assert.deepEqual(
    result.files.map(({ status }) => status),
    ["sent", "missing", "missing", "sent"],
  )
  assert.deepEqual(
    result.required,
    ["a", "c", "sub/d"].map((path) => join(directory, path)),
  )
  assert.deepEqual(await everything(directory), ["a", "sub", "sub/d"])
})

for (const status of ["missing", "denied", "failed"] as const) {
  test(`what is ${status} is left as it is`, async (t) => {
    const directory = await tempDir(t)
    await writeFile(join(directory, "a"), "old", { mode: 0o400 })
    const options = installOptions(directory, { reload: hup, inUse: true })
    const result = await deliverFiles(parseFileLines("a"), async () => ({ status }), options)
    assert.deepEqual(result.lacking, ["a"])
    assert.equal(await readFile(join(directory, "a"), "utf8"), "old")
    assert.deepEqual(options.reloads, [])
  })
}

test("a match for an absent file does not count as in place", async (t) => {
  const result = await deliverFiles(
    parseFileLines("a"),
    async () => ({ status: "match" }),
    installOptions(await tempDir(t), { inUse: false }),
  )
  assert.deepEqual([result.lacking, result.unchanged, result.missing], [["a"], 0, 1])
})

test("the next round applies another mode= or owner= of the line, without a reload", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await tempDir(t)
  const options = installOptions(directory, { reload: hup, inUse: false })
  const agent = agentWith({ a: "1" })
  const file = join(directory, "a")
  await deliverFiles(parseFileLines("a"), agent, options)
  const before = await stat(file, { bigint: true })
  for (const [line, mode, owner] of [
    ["a mode=0440", 0o440, 0],
    ["a mode=0440 owner=1234:1234", 0o440, 1234],
    ["a", 0o400, 0],
  ] as const) {
    const result = await deliverFiles(parseFileLines(line), agent, options)
    const after = await stat(file, { bigint: true })
    assert.deepEqual(
      [Number(after.mode) & 0o7777, Number(after.uid), Number(after.gid)],
      [mode, owner, owner],
      line,
    )
    assert.deepEqual([after.ino, after.mtimeNs], [before.ino, before.mtimeNs])
    assert.deepEqual([result.written, result.unchanged, result.lacking], [0, 1, []])
  }
  assert.equal((await deliverFiles(parseFileLines("a"), agent, options)).files[0]?.status, "match")
  assert.deepEqual(options.reloads, [])
})

test("a mode that another program changed is corrected too", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  const options = installOptions(directory, { inUse: true, reload: hup })
  const agent = agentWith({ a: "1" })
  await deliverFiles(parseFileLines("a"), agent, { ...options, inUse: false })
  await chmod(join(directory, "a"), 0o666)
  await deliverFiles(parseFileLines("a"), agent, options)
  assert.equal((await stat(join(directory, "a"))).mode & 0o7777, 0o400)
  assert.deepEqual(options.reloads, [])
})

test("lines with one path are refused before anything is fetched", async (t) => {
  const directory = await tempDir(t)
  const agent = agentWith({ a: "1", "a/b": "2" })
  const lines = [...parseFileLines("a"), ...parseFileLines("a/b")]
  await assert.rejects(
    deliverFiles(lines, agent, installOptions(directory, { inUse: false })),
    purserError("ERR_FILE_LINE", /below the file a of a/),
  )
  assert.deepEqual(agent.haves, [])
})

test("when fetching fails, nothing is written", async (t) => {
  const directory = await tempDir(t)
  const sent = agentWith({ a: "1" })
  const fetch: Fetch = (name, have, line) =>
    name === "a" ? sent(name, have, line) : Promise.reject(new Error("cut"))
  const options = installOptions(directory, { inUse: false })
  await assert.rejects(deliverFiles(parseFileLines("a\nb"), fetch, options), /cut/)
  assert.deepEqual(await everything(directory), [])
})

test("when one file of a set cannot be put in place, the written ones are reloaded, and no temporary file is left", async (t) => {
  const directory = await tempDir(t)
  const lines = parseFileLines("a\nb")
  await deliverFiles(lines, agentWith({ a: "1", b: "1" }), installOptions(directory, { inUse: false }))
  const inTheWay = installOptions(directory, {
    reload: hup,
    inUse: true,
    onRecorded() {
      rmSync(join(directory, "b"))
      mkdirSync(join(directory, "b"))
    },
  })
  const agent = agentWith({ a: "2", b: "2" })
  await assert.rejects(
    deliverFiles(lines, agent, inTheWay),
    purserError("ERR_TARGET", /cannot write .*\/b: a directory is there/),
  )
  assert.equal(await readFile(join(directory, "a"), "utf8"), "2")
  assert.deepEqual(inTheWay.reloads, ["HUP"])
  assert.deepEqual(await everything(directory), ["a", "b"])
  const later = installOptions(directory, { reload: hup, inUse: true })
  await assert.rejects(deliverFiles(lines, agent, later), purserError("ERR_TARGET", /a directory is there/))
  assert.deepEqual(later.reloads, [], "once was enough")
})

test("a file that cannot be written does not block the retry of a failed reload", async (t) => {
  const directory = await tempDir(t)
  const lines = parseFileLines("a\nb")
  const failing = {
    ...installOptions(directory, { reload: hup, inUse: true }),
    runReload: () => Promise.reject(new Error("the server is gone")),
  }
  await assert.rejects(deliverFiles(lines, agentWith({ a: "1" }), failing), purserError("ERR_RELOAD", /gone/))
  await mkdir(join(directory, "b"))
  const agent = agentWith({ a: "1", b: "1" })
  const { log, text } = notingLog()
  await assert.rejects(
    deliverFiles(lines, agent, { ...failing, log }),
    purserError("ERR_TARGET", /a directory is there/),
  )
  assert.match(text(), /warn: .*the server is gone/)
  const options = installOptions(directory, { reload: hup, inUse: true })
  await assert.rejects(deliverFiles(lines, agent, options), purserError("ERR_TARGET", /a directory is there/))
  assert.deepEqual(options.reloads, ["HUP"])
})

test("files are checked once after a reload that a killed process left pending, and a failure is only reported", async (t) => {
  const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
  const { directory, options, reloads } = await stage(t, old, "deaf")
  const { certificate, key } = fresh
  await writeFile(join(directory, "tls.crt"), certificate)
  await writeFile(join(directory, "tls.key"), key)
  const record = { leaf: "tls.crt", digest: new Secret(certificate).digest, reload: "HUP" }
  await writeFile(join(directory, ".purser-owed.json"), JSON.stringify([record]))
  const lines = ["tls.crt mode=0444", "tls.key mode=0440"].map(parseFileLine)
  const fetch = agentWith({ "tls.crt": certificate, "tls.key": key })
  const fill = () => deliverFiles(lines, fetch, { ...options, inUse: false })
  await assert.rejects(fill(), purserError("ERR_CHECK", /is not served/))
  assert.equal(reloads(), 1)
  assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), certificate)
  await fill()
  assert.equal(reloads(), 1)
})

test("files are not checked while they are not in use", async (t) => {
  const directory = await tempDir(t)
  const { certificate, key } = await tlsFiles(t)
  const options = { ...installOptions(directory), inUse: false, reload: hup }
  const check = { check: parseCheck("127.0.0.1:1"), failed: { sets: new FailedSets(), target: "x" } }
  const lines = ["tls.crt", "tls.key"].map(parseFileLine)
  const fetch = agentWith({ "tls.crt": certificate, "tls.key": key })
  const result = await deliverFiles(lines, fetch, { ...options, check })
  assert.equal(result.written, 2)
})
