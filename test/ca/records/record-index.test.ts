import assert from "node:assert/strict"
import { copyFile, open as openFile, readFile, rm, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import fc from "fast-check"
import { isPurserError } from "../../../src/base/errors.ts"
import { waitFor } from "../../support/wait.ts"
import { asking, issued, madeCa, signal } from "../state.ts"
import { silentLog } from "../../../src/base/log.ts"

/** The index beside the records: damaged, behind, or gone. */

const sql = (file: string, text: string): void => {
  using database = new DatabaseSync(file)
  database.exec(text)
}

async function overwrite(file: string, position: number, bytes: Uint8Array): Promise<void> {
  await using handle = await openFile(file, "r+")
  await handle.write(bytes, 0, bytes.length, position)
}

const damages: [what: string, damage: (file: string) => Promise<void>][] = [
  ["not a database", (file) => writeFile(file, "purser ".repeat(1000))],
  ["empty", (file) => truncate(file, 0)],
  [
    "torn in the middle",
    async (file) => truncate(file, Math.floor((await stat(file)).size / 2 / 4096) * 4096 + 100),
  ],
  ["overwritten in the middle of its pages", (file) => overwrite(file, 4096 + 4, Buffer.alloc(9000, 0xa5))],
  ["of a newer schema", async (file) => sql(file, "PRAGMA user_version = 99")],
  ["of another program", async (file) => sql(file, "PRAGMA application_id = 7")],
  ["without one of its tables", async (file) => sql(file, "DROP TABLE certificates")],
]

for (const [what, damage] of damages) {
  test(`an index that is ${what} is told with what builds it anew, and that does`, async (t) => {
    const { ca, open, directory } = await madeCa(t)
    await issued(ca, "www")
    await issued(ca, "www")
    await issued(ca, "gone")
    await ca.revoke("gone", "keyCompromise", signal)
    const before = await ca.list({ all: true })
    await ca[Symbol.asyncDispose]()
    await damage(join(directory, "index.db"))
    await using fresh = open()
    const told = { code: "ERR_CA_INDEX", hint: /purser ca reindex/ }
    await assert.rejects(fresh.list({ all: true }), told)
    await assert.rejects(issued(fresh, "more"), told)
    assert.equal(await fresh.reindex(signal), 3)
    assert.deepEqual(await fresh.list({ all: true }), before)
    await issued(fresh, "more")
    assert.equal((await fresh.list({ all: true })).length, 4)
    assert.equal((await stat(join(directory, "index.db"))).mode & 0o777, 0o600)
  })
}

test("an index that is gone is built again by whoever looks next", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  await issued(ca, "www")
  const before = await ca.list({ all: true })
  await rm(join(directory, "index.db"))
  await using fresh = open()
  assert.deepEqual(await fresh.list({ all: true }), before)
  assert.deepEqual(await ca.list({ all: true }), before)
})

test("a reindex by another process does not part those that have the index open", async (t) => {
  const { ca, open } = await madeCa(t)
  await issued(ca, "a")
  await using other = open()
  await other.reindex(signal)
  await issued(ca, "b")
  await issued(other, "c")
  for (const one of [ca, other])
    assert.deepEqual(
      (await one.list({ all: false })).map(({ name }) => name),
      ["a", "b", "c"],
    )
})

test("an index from an old backup catches up: with what came since, and with what is no longer there", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const [index, old] = [join(directory, "index.db"), join(directory, "index.old")]
  const first = await issued(ca, "a")
  await issued(ca, "b")
  await copyFile(index, old)
  await issued(ca, "c")
  await ca.revoke("b", "superseded", signal)
  await ca[Symbol.asyncDispose]()
  await copyFile(old, index)
  await rm(join(directory, "issued", `${first.serial}.json`))
  await using fresh = open()
  assert.deepEqual(
    (await fresh.list({ all: true })).map(({ name, state }) => [name, state]),
    [
      ["b", "revoked"],
      ["c", "valid"],
    ],
  )
})

test("a damaged record is named, and never skipped", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const record = await issued(ca, "www")
  const file = join(directory, "issued", `${record.serial}.json`)
  const whole = await readFile(file, "utf8")
  const other = whole.replace('"name": "www"', '"name": "../www"')
  for (const text of ["", "{", whole.slice(0, -20), other, whole.replace("BEGIN", "BEGUN"), "null"]) {
    await writeFile(file, text)
    const told = (error: unknown): boolean => isPurserError(error, "ERR_CA") && error.message.includes(file)
    await assert.rejects(ca.find("www"), told)
    await assert.rejects(ca.reindex(signal), told)
    await rm(join(directory, "index.db"), { force: true })
    await using fresh = open()
    await assert.rejects(fresh.list({ all: true }), told)
    await assert.rejects(issued(fresh, "other"), told)
  }
  await writeFile(file, whole)
  assert.deepEqual(await ca.find("www"), record)
})

test("a record under another's name is refused, and a file that is none is named", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const { serial } = await issued(ca, "www")
  await copyFile(
    join(directory, "issued", `${serial}.json`),
    join(directory, "issued", `${"0".repeat(32)}.json`),
  )
  await using fresh = open()
  await assert.rejects(fresh.list({ all: true }), { code: "ERR_CA", message: /0{32}\.json is damaged/ })
  await rm(join(directory, "issued", `${"0".repeat(32)}.json`))
  await writeFile(join(directory, "issued", "notes.json"), "{}")
  await assert.rejects(fresh.list({ all: true }), { code: "ERR_CA", message: /notes\.json/ })
})

test("whatever happens to a record's bytes, it is the same record, another valid one, or named as damaged", async (t) => {
  const { ca, directory } = await madeCa(t)
  const { serial } = await issued(ca, "www")
  const file = join(directory, "issued", `${serial}.json`)
  const whole = await readFile(file)
  const runs = process.env["SLOW"] === undefined ? 100 : 3000
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), async (at, byte, cut) => {
      const bytes = cut ? whole.subarray(0, at) : Buffer.from(whole)
      if (!cut) bytes[at] = byte
      await writeFile(file, bytes)
      try {
        const found = await ca.find(serial)
        assert.equal(found?.serial, serial)
        // All but the newline at its end.
        assert.ok(!cut || at === whole.length - 1)
      } catch (error) {
        if (!isPurserError(error, "ERR_CA") || !error.message.includes(file)) throw error
      }
    }),
    { numRuns: runs },
  )
})

test("whatever happens to the index's bytes, it is told or answers, and reindex mends it", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  await issued(ca, "www")
  const before = await ca.list({ all: true })
  await ca[Symbol.asyncDispose]()
  const file = join(directory, "index.db")
  const whole = await readFile(file)
  const runs = process.env["SLOW"] === undefined ? 40 : 1000
  await fc.assert(
    fc.asyncProperty(
      fc.nat(whole.length - 1),
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      async (at, bytes) => {
        await writeFile(file, whole)
        await overwrite(file, at, bytes)
        await using fresh = open()
        try {
          await fresh.list({ all: true })
          await fresh.find("www")
        } catch (error) {
          if (!isPurserError(error, "ERR_CA_INDEX") && !isPurserError(error, "ERR_CA")) throw error
        }
        await fresh.reindex(signal)
        assert.deepEqual(await fresh.list({ all: true }), before)
      },
    ),
    { numRuns: runs },
  )
})

test("the list of a thousand comes out of one query", async (t) => {
  const { ca, open, directory } = await madeCa(t)
  const record = await issued(ca, "www")
  const text = await readFile(join(directory, "issued", `${record.serial}.json`), "utf8")
  for (let number = 0; number < 1000; number++) {
    const serial = `e${number.toString(16).padStart(31, "0")}`
    await writeFile(
      join(directory, "issued", `${serial}.json`),
      text.replace(record.serial, serial).replace('"www"', `"node/${number}"`),
    )
  }
  await using fresh = open()
  assert.equal((await fresh.list({ all: true })).length, 1001)
  // Nothing is read but the index: a damaged record is not noticed.
  await writeFile(join(directory, "issued", `e${"0".repeat(31)}.json`), "")
  const listed = await fresh.list({ all: false })
  assert.equal(listed.length, 1001)
  assert.deepEqual(
    listed.map(({ name }) => name),
    listed.map(({ name }) => name).toSorted(),
  )
})

test("watching tells the names of what other processes issue and revoke", async (t) => {
  const { ca, open } = await madeCa(t)
  await using other = open()
  const seen = new Set<string | undefined>()
  await using _watcher = await ca.watch((name) => seen.add(name), silentLog)
  const waitsFor = (name: string): Promise<boolean> => waitFor(`news of ${name}`, () => seen.has(name))
  await issued(other, "web/a", asking("a.lan"))
  await waitsFor("web/a")
  seen.clear()
  await other.revoke("web/a", "superseded", signal)
  await waitsFor("web/a")
})
