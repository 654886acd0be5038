import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { isPurserError, type ErrorCode } from "../../src/base/errors.ts"
import { mounted } from "../files/support.ts"
import { home, startTestNode, type Home, type NodeSettings, type TestAgent } from "../support/pair.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

/** Deliveries into places that cannot be written: one clear line at both ends, nothing left behind, other nodes served. */

const run = promisify(execFile)
const secrets = { "db-password": "swordfish", "tls.key": "x".repeat(3000) }

interface Hostile {
  directory: string
  files?: readonly string[]
}

/** Delivers twice, to the place under test and to a good one. */
async function play(
  t: TestContext,
  hostile: Hostile,
  code: ErrorCode,
  message: RegExp,
  settings: NodeSettings = {},
) {
  const place = await home(t)
  const enrolment = await place.enrol()
  const bad = await startTestNode(t, enrolment, { name: "bad", ...hostile, ...settings })
  const good = await startTestNode(t, enrolment, { name: "good" })
  const agent = await place.agent({
    secrets,
    app: { secrets: ["db-password", "tls.key"] },
    nodes: [bad.address, good.address],
  })
  for (const round of [1, 2]) {
    const ended = bad.nextSession()
    const deliveries = await agent.round()
    const told = deliveries.find(({ target }) => target === bad.address)
    assert.equal(told?.status, "failed")
    assert.match(told.error?.message ?? "", message)
    assert.equal(deliveries.find(({ target }) => target === good.address)?.status, "ok", `round ${round}`)
    const error = await ended
    assert.ok(isPurserError(error, code), String(error))
    assert.match(error.message, message)
    if (code === "ERR_TARGET") assert.ok(error.hint, "it says what to do")
    assert.equal(bad.lines.filter((line) => line.startsWith("error:")).length, round, "one line each time")
  }
  const lines = (await place.audit()).filter(
    ({ kind, address }) => kind === "session" && address === bad.address,
  )
  assert.deepEqual(
    lines.map(({ status, error }) => [status, error]),
    [
      ["failed", "ERR_DELIVERY"],
      ["failed", "ERR_DELIVERY"],
    ],
  )
}

test("a path through a link to another directory is refused, and nothing is written there", async (t) => {
  const directory = await tempDir(t)
  const elsewhere = await tempDir(t)
  await symlink(elsewhere, join(directory, "sub"))
  const files = ["db-password", "tls.key path=sub/tls.key"]
  await play(t, { directory, files }, "ERR_TARGET", /cannot write .*sub\/tls\.key: .*link/)
  assert.deepEqual(await readdir(elsewhere), [])
  assert.deepEqual(await readdir(directory), ["sub"], "nor the other file of the set")
})

test("a target that is a link is refused, and the file that it leads to stays as it is", async (t) => {
  const directory = await tempDir(t)
  const victim = join(await tempDir(t), "victim")
  await writeFile(victim, "mine")
  await symlink(victim, join(directory, "db-password"))
  await play(t, { directory }, "ERR_TARGET", /cannot write .*db-password: a symbolic link is there/)
  assert.equal(await readFile(victim, "utf8"), "mine")
  assert.deepEqual(await readdir(directory), ["db-password"])
})

test("a target that is a FIFO is refused, without waiting for a reader", async (t) => {
  const directory = await tempDir(t)
  await run("mkfifo", [join(directory, "db-password")])
  await play(t, { directory }, "ERR_TARGET", /cannot write .*db-password: a FIFO is there/)
  assert.ok((await stat(join(directory, "db-password"))).isFIFO())
})

test("a target that is a directory is refused", async (t) => {
  const directory = await tempDir(t)
  await mkdir(join(directory, "tls.key"))
  await play(t, { directory }, "ERR_TARGET", /cannot write .*tls\.key: a directory is there/)
  assert.deepEqual(await readdir(directory), ["tls.key"])
})

test("a directory that is a file is refused", async (t) => {
  const directory = join(await tempDir(t), "file")
  await writeFile(directory, "")
  await play(t, { directory }, "ERR_TARGET", /cannot write .*file\/.*: /)
})

test("a full disk fails the delivery, and leaves the old file whole and no new one", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "-o", "size=8k", "purser-test")
  await writeFile(join(directory, "db-password"), "old")
  await writeFile(join(directory, "filler"), "x".repeat(4000))
  await play(t, { directory }, "ERR_TARGET", /cannot write .*: no space is left there/)
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "old")
  assert.deepEqual((await readdir(directory)).toSorted(), ["db-password", "filler"])
})

test("a read-only file system fails the delivery", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const directory = await mounted(t, "-t", "tmpfs", "purser-test")
  await run("mount", ["-o", "remount,ro", directory])
  await play(t, { directory }, "ERR_TARGET", /cannot write .*: the file system is read-only/)
})

test("a failed reload fails the delivery, and the new files stay", async (t) => {
  const directory = join(await tempDir(t), "secrets")
  await mkdir(directory)
  await writeFile(join(directory, "db-password"), "old")
  await play(t, { directory }, "ERR_RELOAD", /the reload exec:false failed/, {
    reload: "exec:false",
    runReload: () => Promise.reject(new Error("no luck")),
  })
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "swordfish")
})

test("a required file that is denied is named at both ends", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol(), { files: ["db-password", "tls.key"] })
  const agent = await place.agent({ secrets, app: { secrets: ["db-password"] }, nodes: [node.address] })
  const [delivery] = await agent.round()
  assert.match(delivery?.error?.message ?? "", /not delivered: tls\.key/)
  assert.match(node.text(), /warn: denied: tls\.key/)
})

test("an optional file that is not granted is no failure", async (t) => {
  const place = await home(t)
  const node = await startTestNode(t, await place.enrol(), { files: ["db-password", "extra optional"] })
  const agent = await place.agent({ nodes: [node.address] })
  const [delivery] = await agent.round()
  assert.deepEqual([delivery?.status, delivery?.sent, delivery?.missing], ["ok", 1, 1])
  assert.deepEqual(await readdir(node.directory), ["db-password"])
})

test("two agents that deliver at once take turns, so that their files do not mix", async (t) => {
  const [first, second] = [await home(t), await home(t)]
  const node = await startTestNode(t, {
    ...(await first.enrolment()),
    agentPins: [first.identity.pin, second.identity.pin],
  })
  const names = ["tls.crt", "tls.key"]
  const agentOf = (place: Home, text: string): Promise<TestAgent> =>
    place.agent({
      secrets: Object.fromEntries(names.map((name) => [name, text])),
      app: { secrets: ["*"], trust: { mode: "discovered" } },
      nodes: [node.address],
    })
  const [ours, theirs] = [await agentOf(first, "ours"), await agentOf(second, "theirs")]
  const inTheMiddle = Promise.withResolvers<void>()
  const theirTurn = Promise.withResolvers<void>()
  const happened: string[] = []
  ours.catalogue.onRead = async (name) => {
    if (name !== "tls.key") return
    inTheMiddle.resolve()
    // Long enough for the other delivery to start in between, if it could.
    await Promise.race([theirTurn.promise, delay(500)])
    happened.push("the first has its answer")
  }
  theirs.catalogue.onRead = () => {
    happened.push("the second is asked")
    theirTurn.resolve()
  }
  const one = ours.round()
  await inTheMiddle.promise
  const deliveries = [...(await theirs.round()), ...(await one)]
  assert.deepEqual(
    deliveries.map(({ status }) => status),
    ["ok", "ok"],
  )
  assert.equal(happened[0], "the first has its answer")
  assert.deepEqual(await Promise.all(names.map((name) => node.read(name))), ["theirs", "theirs"])
})
