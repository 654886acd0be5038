import assert from "node:assert/strict"
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import { migrations } from "../../src/state/migrations.ts"
import { openState, stateFileIn } from "../../src/state/state.ts"
import { tempDir } from "../support/temp.ts"
import { oldVersions, stateOf } from "./old-state.ts"

/**
 * The golden schema. `UPDATE_GOLDEN=1 npm test -- test/state/migrations.test.ts` writes it again; read the difference
 * before you commit it.
 */
const golden = join(import.meta.dirname, "schema.sql")

/** Returns the schema of a database as SQL, sorted by name. */
function schemaOf(database: DatabaseSync): string {
  const rows = database
    .prepare(
      "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY tbl_name, type DESC, name",
    )
    .all()
  const version = String(database.prepare("PRAGMA user_version").get()?.["user_version"])
  return [...rows.map(({ sql }) => `${String(sql)};\n`), `PRAGMA user_version = ${version};\n`].join("\n")
}

function schemaIn(directory: string): string {
  using database = new DatabaseSync(stateFileIn(directory), { readOnly: true })
  return schemaOf(database)
}

test("a new state has the schema of schema.sql", async (t) => {
  const dir = await tempDir(t)
  openState(dir)[Symbol.dispose]()
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(golden, schemaIn(dir))
  assert.equal(schemaIn(dir), readFileSync(golden, "utf8"))
})

test("every migration is a file of its own, in order", () => {
  const root = resolve(import.meta.dirname, "../../src/state")
  const files = globSync("migrations/*.ts", { cwd: root }).toSorted()
  assert.deepEqual(
    files.map((file) => file.slice("migrations/".length, "migrations/0000".length)),
    migrations.map((_, index) => String(index + 1).padStart(4, "0")),
  )
  for (const [index, file] of files.entries())
    assert.ok(readFileSync(join(root, file), "utf8").includes(migrations[index] ?? "missing"), file)
})

for (const version of oldVersions) {
  test(`a state of version ${version} equals what its migrations create today, and gets the present schema`, async (t) => {
    const dir = await stateOf(t, version)
    using database = new DatabaseSync(":memory:")
    for (const sql of migrations.slice(0, version)) database.exec(sql)
    database.exec(`PRAGMA user_version = ${version}`)
    assert.equal(schemaIn(dir), schemaOf(database), "a published migration was edited")
    openState(dir)[Symbol.dispose]()
    assert.equal(schemaIn(dir), readFileSync(golden, "utf8"))
  })
}

test("there is a fixture for every published version", () => {
  assert.deepEqual(
    oldVersions.filter((version) => version < migrations.length),
    migrations.slice(1).map((_, index) => index + 1),
  )
})
