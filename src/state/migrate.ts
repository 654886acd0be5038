import { PurserError } from "../base/errors.ts"
import type { Sqlite } from "../base/sqlite.ts"

/** Applies the migrations that the database lacks. Throws `ERR_STATE` for a database of a newer Purser. */
export function migrate(database: Sqlite, file: string, migrations: readonly string[]): void {
  if (versionOf(database) === migrations.length) return
  database.transaction(() => {
    // Read again under the lock, because another process may have migrated meanwhile.
    const version = versionOf(database)
    if (version > migrations.length) {
      throw new PurserError("ERR_STATE", `${file} was made by a newer Purser`, {
        hint: "use that version of Purser, or another state directory with --state",
      })
    }
    for (const sql of migrations.slice(version)) database.exec(sql)
    database.exec(`PRAGMA user_version = ${migrations.length}`)
  })
}

function versionOf(database: Sqlite): number {
  return Number(database.pragma("user_version"))
}
