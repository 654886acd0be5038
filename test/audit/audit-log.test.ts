import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import { readFile, rename, stat, symlink, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { firstHead, missingPart, openAuditLog } from "../../src/audit/audit-log.ts"
import { digestOf } from "../../src/base/digest.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { verifyAuditLog } from "../../src/audit/verify.ts"
import { mounted, run } from "../files/support.ts"
import { home, startTestNode, testLog } from "../support/pair.ts"
import { startScript } from "../support/script.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { alert, delivered, events, place, trust } from "./support.ts"

test("each line has its number, its time, the hash of the previous line, and the event", async (t) => {
  const { state, file, lines } = await place(t)
  await using audit = openAuditLog({
    file,
    heads: state.auditHead,
    contentKey: () => state.keys.content(),
    log: silentLog,
    now: () => new Date("2026-01-02T03:04:05.678Z"),
  })
  await audit.append({ kind: "denied", app: "web", directory: "/run/secrets", secret: "tls.key" })
  await audit.append({ kind: "enrolment", app: "web", change: "revoked", tokens: 2 })
  const [first = "", second = ""] = await lines()
  assert.equal(
    first,
    `{"seq":1,"time":"2026-01-02T03:04:05.678Z","previous":"sha256:${"0".repeat(64)}","kind":"denied","app":"web","directory":"/run/secrets","secret":"tls.key"}`,
  )
  assert.deepEqual(JSON.parse(second), {
    seq: 2,
    time: "2026-01-02T03:04:05.678Z",
    previous: digestOf(Buffer.from(first)),
    kind: "enrolment",
    app: "web",
    change: "revoked",
    tokens: 2,
  })
  assert.equal(audit.head(), `2:${digestOf(Buffer.from(second))}`)
})

test("concurrent appends become lines in their order, and each resolves only when its line is in the file", async (t) => {
  const { open, lines, verify } = await place(t)
  await using audit = open()
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      await audit.append(delivered(`s${index}`))
      assert.ok((await lines()).some((line) => line.includes(`"secret":"s${index}"`)))
    }),
  )
  assert.deepEqual(
    (await lines()).map((line) => (JSON.parse(line) as { secret: string }).secret),
    Array.from({ length: 50 }, (_, index) => `s${index}`),
  )
  assert.equal((await verify()).seq, 50)
})

test("closing writes the pending lines", async (t) => {
  const { open, lines, verify } = await place(t)
  const audit = open()
  await audit.append(alert)
  const waiting = audit.append(trust)
  await audit[Symbol.asyncDispose]()
  await waiting
  assert.equal((await lines()).length, 2)
  await verify()
  await assert.rejects(audit.append(alert), TypeError)
})

test("text of a peer cannot break out of its line", async (t) => {
  const { append, lines, verify } = await place(t)
  const node = 'x"}\n{"seq":2,"kind":"trust"}\u2028\ud800'
  await append({ kind: "rejected", app: "web", address: "a:1", node, reason: "x" }, alert)
  const found = (await lines()).map((line) => JSON.parse(line) as { seq: number; node?: string })
  assert.deepEqual(
    found.map(({ seq }) => seq),
    [1, 2],
  )
  assert.equal(found[0]?.node, node)
  await verify()
})

test(
  "the file is for its owner's eyes, and a symbolic link in its place is refused",
  { skip: process.platform === "win32" },
  async (t) => {
    const { append, file, dir, open } = await place(t)
    await append(alert)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await rename(file, join(dir, "elsewhere"))
    await symlink(join(dir, "elsewhere"), file)
    assert.throws(open, { code: "ERR_STATE", message: /cannot open the audit log/ })
  },
)

test("a line that cannot be written rejects its append, and is logged", async (t) => {
  const { state, file } = await place(t)
  const said = testLog()
  let full = false
  await using audit = openAuditLog({
    file,
    log: said.log,
    contentKey: () => state.keys.content(),
    heads: {
      read: () => state.auditHead.read(),
      update(work) {
        if (full) throw new Error("database or disk is full")
        state.auditHead.update(work)
      },
    },
  })
  await audit.append(alert)
  full = true
  await assert.rejects(audit.append(alert), { code: "ERR_STATE", message: /disk is full/ })
  assert.match(said.text(), /error: cannot write the audit log .*disk is full/)
  full = false
  await audit.append(trust)
  assert.equal(audit.head().split(":")[0], "2")
})

test("on a full disk appends reject, and with free space the log continues without a gap", async (t) => {
  if (!(await requireService(t, "linux", "root"))) return
  const { state } = await place(t)
  const directory = await mounted(t, "-t", "tmpfs", "-o", "size=8k", "none")
  const file = join(directory, "audit.log")
  const options = { file, heads: state.auditHead, contentKey: () => state.keys.content(), log: silentLog }
  const verify = () =>
    verifyAuditLog(
      { file, readHead: () => state.auditHead.read(), patienceMs: 1 },
      new AbortController().signal,
    )
  await using audit = openAuditLog(options)
  const secret = "a".repeat(2900)
  for (let count = 0; count < 2; count++) await audit.append(delivered(secret))
  await assert.rejects(audit.append(delivered(secret)), {
    code: "ERR_STATE",
    message: /no space/,
  })
  assert.equal((await stat(file)).size, 8192, "a part was taken")
  await assert.rejects(verify(), { code: "ERR_AUDIT", message: /line 3 of .* is torn/ })
  await run("mount", ["-o", "remount,size=64k", directory])
  await audit.append(alert)
  assert.equal((await verify()).seq, 4)
})

/** A process that is killed when the head is committed and its lines are not in the file yet. */
const dieAfterCommit = `
const { openState } = await import(src("state/state.ts"))
const { openAuditLog } = await import(src("audit/audit-log.ts"))
const { silentLog } = await import(src("base/log.ts"))
const state = openState(process.argv[1])
let calls = 0
const heads = {
  read: () => state.auditHead.read(),
  update(work) {
    state.auditHead.update(work)
    // The first update is that of the opening.
    if (++calls === 2) process.kill(process.pid, "SIGKILL")
  },
}
const audit = openAuditLog({ file: process.argv[2], heads, contentKey: () => state.keys.content(), log: silentLog })
await audit.append({ kind: "delivered", secret: "last words" })
console.log("survived")
`

test("the next process writes a line that a killed process had committed", async (t) => {
  const { append, dir, file, lines, verify, open } = await place(t)
  await append(...events.slice(0, 2))
  const child = startScript(t, dieAfterCommit, [dir, file])
  assert.equal(await child.ended(), "SIGKILL")
  assert.equal((await lines()).length, 2)
  await assert.rejects(verify(), { code: "ERR_AUDIT", message: /was cut by a crash after line 2/ })
  await open()[Symbol.asyncDispose]()
  assert.match((await lines()).at(-1) ?? "", /"seq":3.*last words/)
  assert.equal((await verify()).seq, 3)
})

test("opening completes a line that was torn anywhere", async (t) => {
  const { append, file, verify, open } = await place(t)
  await append(...events)
  const whole = await readFile(file)
  const last = whole.lastIndexOf(10, whole.length - 2) + 1
  for (const end of [last, last + 1, whole.length - 9, whole.length - 8, whole.length - 1]) {
    await truncate(file, end)
    await assert.rejects(verify(), { code: "ERR_AUDIT" }, `cut to ${end}`)
    await open()[Symbol.asyncDispose]()
    assert.deepEqual(await readFile(file), whole, `cut to ${end}`)
    await verify()
  }
})

test("appending writes missing lines before its own", async (t) => {
  const { append, file, verify, open } = await place(t)
  await append(...events)
  await using audit = open()
  await truncate(file, (await stat(file)).size - 20)
  await audit.append(alert)
  assert.equal((await verify()).seq, events.length + 1)
})

test("a file that another program cut or appended to is not completed", () => {
  const head = { ...firstHead, sizeBytes: 100, pending: "0123456789" }
  assert.equal(missingPart(head, 90).toString(), "0123456789")
  assert.equal(missingPart(head, 97).toString(), "789")
  for (const size of [0, 89, 100, 101, 1000]) assert.equal(missingPart(head, size).length, 0, String(size))
})

/** The first lines are written before "ready", so that every process has the log open while others add to it. */
const appendMany = `
const { openStateDir } = await import(src("state/open.ts"))
const { silentLog } = await import(src("base/log.ts"))
await using opened = await openStateDir(process.argv[1], silentLog)
const append = (round) =>
  Promise.all(Array.from({ length: 5 }, () => opened.audit.append({ kind: "alert", pid: process.pid, round })))
await append(0)
console.log("ready")
await new Promise((resolve) => process.stdin.once("data", resolve))
process.stdin.destroy()
for (let round = 1; round < 10; round++) await append(round)
`

test("processes that append at once write one whole chain", async (t) => {
  const { dir, lines, verify } = await place(t)
  const children = [1, 2, 3].map(() => startScript(t, appendMany, [dir]))
  await Promise.all(children.map((child) => child.line()))
  for (const child of children) child.process.stdin?.write("go\n")
  for (const child of children) assert.equal(await child.ended(), 0)
  assert.equal((await verify()).seq, 150)
  const pids = (await lines()).map((line) => (JSON.parse(line) as { pid: number }).pid)
  for (const { pid } of children) assert.equal(pids.filter((one) => one === pid).length, 50)
  assert.deepEqual(new Set(pids.slice(0, 15)), new Set(children.map(({ pid }) => pid)))
})

test("verifying while a process appends finds no fault", async (t) => {
  const { dir, verify } = await place(t)
  const child = startScript(t, appendMany, [dir])
  await child.line()
  child.process.stdin?.write("go\n")
  let ended = false
  const end = child.ended().then((code) => {
    ended = true
    return code
  })
  let times = 0
  for (; !ended; times++) await verify(undefined, 10_000)
  assert.equal(await end, 0)
  assert.ok(times > 3, `verified ${times} times meanwhile`)
  assert.equal((await verify()).seq, 50)
})

test("processes that open a log with a torn line at once complete it once", async (t) => {
  const { append, file, dir, verify, lines } = await place(t)
  await append(...events)
  const code = `
const { openState } = await import(src("state/state.ts"))
const { openAuditLog } = await import(src("audit/audit-log.ts"))
const { silentLog } = await import(src("base/log.ts"))
const state = openState(process.argv[1])
console.log("ready")
await new Promise((resolve) => process.stdin.once("data", resolve))
process.stdin.destroy()
openAuditLog({ file: process.argv[2], heads: state.auditHead, contentKey: () => state.keys.content(), log: silentLog })
`
  await truncate(file, (await stat(file)).size - 20)
  const children = [1, 2, 3].map(() => startScript(t, code, [dir, file]))
  await Promise.all(children.map((child) => child.line()))
  for (const child of children) child.process.stdin?.write("go\n")
  for (const child of children) assert.equal(await child.ended(), 0)
  assert.equal((await lines()).length, events.length)
  await verify()
})

const tampering: [what: string, change: (lines: string[]) => string[]][] = [
  ["an edited line", (lines) => lines.with(1, (lines[1] ?? "").replace("two", "TWO"))],
  ["a removed line", (lines) => lines.toSpliced(1, 1)],
  ["lines cut off", (lines) => lines.slice(0, 2)],
  ["a line of somebody else's", (lines) => [...lines, '{"seq":6}']],
  ["no lines any more", () => []],
]
for (const [what, change] of tampering) {
  test(`with ${what}, the log stays broken however much is appended`, async (t) => {
    const { append, lines, write, verify } = await place(t)
    await append(...events)
    await write(change(await lines()))
    await append(...events)
    await assert.rejects(verify(), { code: "ERR_AUDIT" })
  })
}

test("a content is logged as a tag under the state directory's key, and not as a digest", async (t) => {
  const place = await home(t)
  const secrets = { "db-password": "swordfish", other: "swordfish", third: "halibut" }
  const node = await startTestNode(t, await place.enrolment())
  const agent = await place.agent({ secrets, nodes: [node.address], app: { secrets: ["*"] } })
  assert.equal((await agent.round())[0]?.status, "ok")
  const tags = (await place.audit()).filter(
    ({ kind, secret }) => kind === "delivered" && secret !== undefined,
  )
  assert.equal(tags.length, 3)
  const key = await place.withState(({ state }) => state.keys.content())
  assert.equal(key.length, 32)
  for (const { secret, content } of tags) {
    const text = secrets[secret as keyof typeof secrets]
    assert.equal(content, createHmac("sha256", key).update(text).digest("hex"), String(secret))
  }
  const file = await readFile(join(place.stateDir, "audit.log"), "utf8")
  for (const text of ["swordfish", "halibut"]) {
    for (const trace of [
      text,
      Buffer.from(text).toString("base64").replace(/=+$/, ""),
      Buffer.from(text).toString("hex"),
      digestOf(Buffer.from(text)).slice("sha256:".length),
    ])
      assert.ok(!file.includes(trace), trace)
  }
})

test("another state directory gives the same content another tag", async (t) => {
  const tags = []
  for (const _ of [1, 2]) {
    const { open } = await place(t)
    await using audit = open()
    tags.push(audit.contentTag(new Secret("swordfish")))
    assert.equal(audit.contentTag(new Secret("swordfish")), tags.at(-1))
    assert.match(tags.at(-1) ?? "", /^[0-9a-f]{64}$/)
  }
  assert.notEqual(tags[0], tags[1])
})

test("a file in the place of a directory is named", async (t) => {
  const dir = await tempDir(t)
  await writeFile(join(dir, "file"), "")
  const { state } = await place(t)
  assert.throws(
    () =>
      openAuditLog({
        file: join(dir, "file", "audit.log"),
        heads: state.auditHead,
        contentKey: () => state.keys.content(),
        log: silentLog,
      }),
    {
      code: "ERR_STATE",
      message: /cannot open the audit log .*file\/audit\.log/,
    },
  )
})
