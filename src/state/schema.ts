import type { DatabaseSync } from "node:sqlite"
import { PurserError } from "../base/errors.ts"

/** Steps of the schema; `user_version` counts those that were taken. Published steps are never edited, only added to. */
const steps: readonly string[] = [
  `
  CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    token BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
  ) STRICT;
  CREATE INDEX tokens_by_app ON tokens (app);

  CREATE TABLE nodes (
    app TEXT NOT NULL,
    address TEXT NOT NULL,
    pin TEXT NOT NULL,
    name TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    last_delivery INTEGER,
    state TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (app, address)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX nodes_by_time ON nodes (app, last_seen);

  CREATE TABLE approvals (
    app TEXT NOT NULL,
    pin TEXT NOT NULL,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    asked INTEGER NOT NULL,
    PRIMARY KEY (app, pin)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    pending TEXT NOT NULL
  ) STRICT;

  CREATE TABLE keys (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  `,
  `
  CREATE TABLE containers (
    app TEXT NOT NULL,
    id TEXT NOT NULL,
    started TEXT NOT NULL,
    complete INTEGER NOT NULL,
    owed TEXT,
    PRIMARY KEY (app, id)
  ) STRICT, WITHOUT ROWID;
  `,
]

/** Throws `ERR_STATE` for a database of a newer Purser. */
export function migrate(database: DatabaseSync, file: string): void {
  if (versionOf(database) === steps.length) return
  database.exec("BEGIN IMMEDIATE")
  try {
    // Asked again under the lock: another process may have been faster.
    const version = versionOf(database)
    if (version > steps.length) {
      throw new PurserError("ERR_STATE", `${file} was made by a newer Purser`, {
        hint: "use that version, or another --state",
      })
    }
    for (const step of steps.slice(version)) database.exec(step)
    database.exec(`PRAGMA user_version = ${steps.length}`)
    database.exec("COMMIT")
  } catch (error) {
    database.exec("ROLLBACK")
    throw error
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"])
}
