import assert from "node:assert/strict"
import { mkdirSync } from "node:fs"
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { digestOf } from "../../src/base/digest.ts"
import { parseFileLines } from "../../src/files/file-line.ts"
import { deliverFiles } from "../../src/rollout/deliver-files.ts"
import { runPendingReload } from "../../src/rollout/pending-reload.ts"
import { runLocalReload, type RunReload } from "../../src/rollout/reload.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import {
  agentWith,
  everything,
  hup,
  installOptions,
  notingLog,
  purserError,
  run,
  toInstall,
} from "../files/support.ts"
import { rollOutInto } from "./support.ts"

const recordFile = ".purser-owed.json"
const failing: RunReload = () => Promise.reject(new Error("the server is gone"))

function pending(leaf: string, content: string, reload = "HUP"): string {
  return JSON.stringify([{ leaf, digest: digestOf(Buffer.from(content)), reload }])
}

test("a failed reload is an error although the files are in place, and stays pending", async (t) => {
  const directory = await tempDir(t)
  await assert.rejects(
    rollOutInto([toInstall("sub/key", "new")], {
      ...installOptions(directory, { reload: hup }),
      runReload: failing,
    }),
    purserError("ERR_RELOAD", /^the reload HUP failed: the server is gone$/),
  )
  assert.deepEqual(await everything(directory), ["sub", `sub/${recordFile}`, "sub/key"])
  const options = installOptions(directory, { reload: hup })
  assert.equal(await runPendingReload(options), true)
  assert.deepEqual(options.reloads, ["HUP"])
  assert.deepEqual(await everything(directory), ["sub", "sub/key"])
  assert.equal(await runPendingReload(options), false)
  assert.deepEqual(options.reloads, ["HUP"])
})

test("the next round runs a reload that failed, although nothing has changed", async (t) => {
  const directory = await tempDir(t)
  const lines = parseFileLines("a\nsub/b")
  const agent = agentWith({ a: "1", "sub/b": "2" })
  const broken = { ...installOptions(directory, { reload: hup, inUse: true }), runReload: failing }
  await assert.rejects(deliverFiles(lines, agent, broken), purserError("ERR_RELOAD", /gone/))
  await assert.rejects(deliverFiles(lines, agent, broken), /gone/, "and again, while it fails")
  const options = installOptions(directory, { reload: hup, inUse: true })
  const result = await deliverFiles(lines, agent, options)
  assert.deepEqual([result.written, result.unchanged], [0, 2])
  assert.deepEqual(options.reloads, ["HUP"])
  await deliverFiles(lines, agent, options)
  assert.deepEqual(options.reloads, ["HUP"])
})

test("a pending reload in the directory of an absolute path is found too", async (t) => {
  const [directory, other] = [await tempDir(t), await tempDir(t)]
  const file = toInstall(`key path=${other}/key`, "new")
  const broken = { ...installOptions(directory, { reload: hup }), runReload: failing }
  await assert.rejects(rollOutInto([file], broken), /gone/)
  const options = installOptions(directory, { reload: hup })
  assert.equal(await runPendingReload({ ...options, files: [file] }), true)
  assert.deepEqual(await everything(other), ["key"])
})

test("a record for content that is gone is cleared", async (t) => {
  const directory = await tempDir(t)
  for (const content of ["other content", null]) {
    if (content !== null) await writeFile(join(directory, "key"), content)
    await writeFile(join(directory, recordFile), pending(content === null ? "gone" : "key", "content"))
    const options = installOptions(directory, { reload: hup })
    assert.equal(await runPendingReload(options), false)
    assert.deepEqual(options.reloads, [])
    assert.deepEqual(await everything(directory), ["key"])
  }
})

test("records are cleared when no reload is configured any more", async (t) => {
  const directory = await tempDir(t)
  await writeFile(join(directory, "key"), "content")
  await writeFile(join(directory, recordFile), pending("key", "content"))
  const options = installOptions(directory)
  assert.equal(await runPendingReload(options), false)
  assert.deepEqual(await everything(directory), ["key"])
})

test("a command that another user wrote into the record is not run, but the configured reload is", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  const planted = join(directory, "planted")
  const configured = join(directory, "configured")
  await writeFile(join(directory, "key"), "content")
  await writeFile(join(directory, recordFile), pending("key", "content", `exec:touch ${planted}`))
  const { log, text } = notingLog()
  const ran = await runPendingReload({
    ...installOptions(directory, { reload: { kind: "exec", command: `touch ${configured}` } }),
    log,
    runReload: (reload, signal) => runLocalReload(reload, signal, { PATH: process.env["PATH"] }),
  })
  assert.equal(ran, true)
  assert.deepEqual(await everything(directory), ["configured", "key"])
  assert.match(text(), /running the pending reload: exec:touch .*configured/)
  assert.doesNotMatch(text(), /planted/)
})

const garbage: [what: string, text: string][] = [
  ["nothing", ""],
  ["no JSON", "{"],
  ["no list", '{"leaf":"key"}'],
  [
    "entries of wrong types",
    '[null, 1, "key", {"leaf":1}, {"leaf":"key","digest":"sha256:0","reload":"HUP"}]',
  ],
  ["a name that leaves the directory", pending("../key", "content")],
  ["a name that is the directory", pending(".", "content")],
  ["megabytes of white space around", pending("key", "content").padStart(5_000_000)],
]
for (const [what, text] of garbage) {
  test(`a recordFile that holds ${what} owes nothing, and does not stop a delivery`, async (t) => {
    const base = await tempDir(t)
    const directory = join(base, "below")
    await mkdir(directory)
    for (const path of [join(base, "key"), join(directory, "key")])
      await writeFile(path, "content", { mode: 0o400 })
    await writeFile(join(directory, recordFile), text)
    const options = installOptions(directory, { reload: hup, inUse: true })
    assert.equal(await runPendingReload(options), false)
    await deliverFiles(parseFileLines("key"), agentWith({ key: "new" }), options)
    assert.deepEqual(options.reloads, ["HUP"])
    assert.equal(await readFile(join(directory, "key"), "utf8"), "new")
    assert.deepEqual(await everything(directory), ["key"])
  })
}

test(
  "a FIFO or a link in the recordFile's place is not waited for or followed, and makes room",
  { timeout: 20_000 },
  async (t) => {
    if (!(await requireService(t, "linux"))) return
    const [directory, elsewhere] = [await tempDir(t), await tempDir(t)]
    await writeFile(join(directory, "key"), "content")
    await writeFile(join(elsewhere, "recordFile"), pending("key", "content"))
    for (const plant of [
      () => run("mkfifo", [join(directory, recordFile)]),
      () => symlink(join(elsewhere, "recordFile"), join(directory, recordFile)),
    ]) {
      await plant()
      const options = installOptions(directory, { reload: hup })
      assert.equal(await runPendingReload(options), false)
      await rollOutInto([toInstall("key", `content of ${plant.toString()}`)], options)
      assert.deepEqual(options.reloads, ["HUP"])
      assert.deepEqual(await everything(directory), ["key"])
    }
    assert.equal(await readFile(join(elsewhere, "recordFile"), "utf8"), pending("key", "content"))
  },
)

test("a directory in the record's place is an error, and nothing is written", async (t) => {
  const directory = await tempDir(t)
  await mkdir(join(directory, recordFile))
  const options = installOptions(directory, { reload: hup })
  assert.equal(await runPendingReload(options), false)
  await assert.rejects(
    rollOutInto([toInstall("key", "x")], options),
    purserError("ERR_TARGET", /a directory is there/),
  )
  assert.deepEqual(await everything(directory), [recordFile])
})

test("a reload for content in place stays pending when the next content is not written", async (t) => {
  const directory = await tempDir(t)
  const broken = { ...installOptions(directory, { reload: hup }), runReload: failing }
  await assert.rejects(rollOutInto([toInstall("key", "first")], broken), /gone/)
  const files = [toInstall("other", "x"), toInstall("key", "second")]
  const inTheWay = installOptions(directory, {
    reload: hup,
    onRecorded: () => mkdirSync(join(directory, "other")),
  })
  await assert.rejects(rollOutInto(files, inTheWay), purserError("ERR_TARGET", /a directory is there/))
  assert.equal(await readFile(join(directory, "key"), "utf8"), "first")
  const options = installOptions(directory, { reload: hup })
  assert.equal(await runPendingReload(options), true)
  assert.deepEqual(options.reloads, ["HUP"])
})

test("repeated failures for new content do not let the record grow", async (t) => {
  const directory = await tempDir(t)
  const broken = { ...installOptions(directory, { reload: hup }), runReload: failing }
  for (let round = 0; round < 10; round++)
    await assert.rejects(rollOutInto([toInstall("key", `content ${round}`)], broken), /gone/)
  const entries = JSON.parse(await readFile(join(directory, recordFile), "utf8")) as unknown[]
  assert.ok(entries.length <= 2, `${entries.length} entries`)
})

test("a pending reload in a line's directory is found even beyond the limit of directories", async (t) => {
  const directory = await tempDir(t)
  for (let index = 0; index < 1100; index++) await mkdir(join(directory, `d${index}`))
  const last = (await readdir(directory)).at(-1) ?? ""
  const file = toInstall(`key path=${last}/key`, "x")
  const broken = { ...installOptions(directory, { reload: hup }), runReload: failing }
  await assert.rejects(rollOutInto([file], broken), /gone/)
  const where = { directory, files: [file] }
  assert.equal(await runPendingReload({ ...installOptions(directory, { reload: hup }), ...where }), true)
  assert.deepEqual(await everything(join(directory, last)), ["key"])
})

test("records in directories of no line are left alone", async (t) => {
  const directory = await tempDir(t)
  const theirs = join(directory, "theirs")
  const broken = { ...installOptions(theirs, { reload: hup }), runReload: failing }
  await assert.rejects(rollOutInto([toInstall("key", "x")], broken), /gone/)
  const ours = installOptions(directory, { reload: { kind: "restart" }, inUse: true })
  await deliverFiles(parseFileLines("own"), agentWith({ own: "1" }), ours)
  assert.deepEqual(ours.reloads, ["restart"])
  assert.equal(await runPendingReload(installOptions(theirs, { reload: hup })), true)
})
