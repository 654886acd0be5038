import assert from "node:assert/strict"
import { stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test, type TestContext } from "node:test"
import { PurserError, systemErrorCode } from "../../src/base/errors.ts"
import { Sqlite, type SqliteFailure, type SqliteOptions } from "../../src/base/sqlite.ts"
import { startScript } from "../support/script.ts"
import { tempDir } from "../support/temp.ts"

const schema = "CREATE TABLE words (word TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT"

/** Opens a database with one table, and collects the failures that it reports. */
async function opened(
  t: TestContext,
  prepare: SqliteOptions["prepare"] = (database) => database.exec(schema),
): Promise<{
  file: string
  open: (prepare: SqliteOptions["prepare"]) => Sqlite
  database: Sqlite
  failures: SqliteFailure[]
}> {
  const file = join(await tempDir(t), "words.sqlite")
  const failures: SqliteFailure[] = []
  const open = (how: SqliteOptions["prepare"]): Sqlite => {
    const database = Sqlite.open(file, {
      prepare: how,
      asError(failure) {
        failures.push(failure)
        return new PurserError("ERR_STATE", `${failure.operation}: ${failure.reason}`)
      },
    })
    t.after(() => database[Symbol.dispose]())
    return database
  }
  return { file, open, database: open(prepare), failures }
}

const add = "INSERT INTO words (word, count) VALUES (?, ?)"
const count = (database: Sqlite): number | undefined =>
  database.get<{ count: number }>("SELECT count(*) AS count FROM words")?.count

test("rows are plain objects, and a statement returns the number of changed rows", async (t) => {
  const { database } = await opened(t)
  assert.equal(database.run(add, "a", 1), 1)
  assert.equal(database.run(add, "b", 2), 1)
  assert.deepEqual(database.all("SELECT * FROM words ORDER BY word"), [
    { word: "a", count: 1 },
    { word: "b", count: 2 },
  ])
  assert.deepEqual(database.get("SELECT * FROM words WHERE word = ?", "b"), { word: "b", count: 2 })
  assert.equal(database.get("SELECT * FROM words WHERE word = ?", "c"), undefined)
  assert.equal(database.run("UPDATE words SET count = 0"), 2)
  assert.equal(database.pragma("quick_check(1)"), "ok")
})

test("a failed transaction is rolled back, and a nested one is a part of the outer one", async (t) => {
  const { database, failures } = await opened(t)
  const stop = new Error("no")
  assert.throws(
    () =>
      database.transaction(() => {
        database.run(add, "a", 1)
        database.transaction(() => database.run(add, "b", 1))
        throw stop
      }),
    stop,
  )
  assert.equal(count(database), 0)
  assert.deepEqual(failures, [], "an error of the work itself is passed on")
  assert.equal(
    database.transaction(() => database.transaction(() => database.run(add, "a", 1))),
    1,
  )
  assert.equal(count(database), 1)
})

test("an error of SQLite becomes the caller's own, with the operation read or write", async (t) => {
  const { database, failures } = await opened(t)
  database.run(add, "a", 1)
  assert.throws(() => database.run(add, "a", 1), { code: "ERR_STATE", message: /^write: UNIQUE/ })
  assert.throws(() => database.all("SELECT * FROM gone"), {
    code: "ERR_STATE",
    message: /^read: no such table/,
  })
  assert.throws(() => database.transaction(() => database.all("SELECT * FROM gone")), { message: /^write: / })
  assert.deepEqual(
    failures.map(({ isDamage }) => isDamage),
    [false, true, true],
  )
  assert.ok(failures.every(({ cause }) => systemErrorCode(cause) === "ERR_SQLITE_ERROR"))
})

test("a transaction that SQLite has rolled back itself can be retried", async (t) => {
  const { database, file } = await opened(t)
  using other = new DatabaseSync(file)
  // The trigger rolls back as SQLite does on a full disk.
  other.exec("CREATE TRIGGER full BEFORE INSERT ON words BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END")
  const work = (): number => database.transaction(() => database.run(add, "a", 1))
  assert.throws(work, { message: "write: disk is full" })
  other.exec("DROP TRIGGER full")
  assert.equal(work(), 1)
})

test("a number that JavaScript cannot hold is damage", async (t) => {
  const { database, failures } = await opened(t)
  database.exec("INSERT INTO words VALUES ('a', 9223372036854775807)")
  assert.throws(() => database.all("SELECT * FROM words"), { code: "ERR_STATE" })
  assert.equal(failures[0]?.isDamage, true)
})

test("a file that is not a database is damage, and every failure during opening is an open failure", async (t) => {
  const { open, failures, file } = await opened(t, () => {})
  const told = (prepare: SqliteOptions["prepare"], message: RegExp): void =>
    assert.throws(() => open(prepare), { code: "ERR_STATE", message })
  told((database) => database.exec("SELECT * FROM gone"), /^open: no such table/)
  told((database) => database.transaction(() => database.run("DELETE FROM gone")), /^open: no such table/)
  told(() => {
    throw new Error("not now")
  }, /^open: not now/)
  const own = new PurserError("ERR_CA", "of my own")
  assert.throws(
    () =>
      open(() => {
        throw own
      }),
    own,
  )
  await writeFile(file, "not a database\n".repeat(1000))
  told((database) => database.exec(schema), /^open: file is not a database/)
  assert.deepEqual(
    failures.map(({ isDamage }) => isDamage),
    [true, true, false, true],
  )
})

test("a missing directory is an open failure, and is not created", async (t) => {
  const directory = join(await tempDir(t), "none")
  const asError = ({ operation }: SqliteFailure): PurserError => new PurserError("ERR_STATE", operation)
  assert.throws(() => Sqlite.open(join(directory, "x"), { prepare: () => {}, asError }), { message: "open" })
  await assert.rejects(stat(directory), { code: "ENOENT" })
})

test("node:sqlite is loaded by the first database, not by an import", async (t) => {
  const child = startScript(
    t,
    `const { Sqlite } = await import(src("base/sqlite.ts"))
     await import(src("base/lock.ts"))
     const isLoaded = () => process.moduleLoadList.includes("NativeModule sqlite")
     console.log(isLoaded())
     using database = Sqlite.open(":memory:", { prepare: () => {}, asError: ({ cause }) => cause })
     console.log(isLoaded())`,
  )
  assert.deepEqual([await child.line(), await child.line()], ["false", "true"])
})
