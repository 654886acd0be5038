import { PurserError } from "../../base/errors.ts"
import { Sqlite, type SqliteFailure } from "../../base/sqlite.ts"
import type {
  IndexedCertificate,
  IndexedRequest,
  IndexedRevocation,
  ListedRevocation,
  ListedRow,
  Table,
} from "./index-rows.ts"
import { applicationId, indexSchema, schemaVersion } from "./index-schema.ts"
import {
  listCertificates,
  listCertificatesNamed,
  listCertificatesWithSerial,
  listNewestCertificates,
} from "./queries/list-certificates.ts"
import { listRevocations } from "./queries/list-revocations.ts"

/**
 * The index of the records, so that `purser ca ls` is one query. It can be rebuilt from the records, except for the
 * number of the last CRL; so damage has a code of its own, `ERR_CA_INDEX`.
 */
export class IndexDatabase implements Disposable {
  readonly #database: Sqlite

  private constructor(file: string, prepare: (database: Sqlite) => void) {
    this.#database = Sqlite.open(file, { prepare, asError: (failure) => indexError(file, failure) })
  }

  /** Opens an existing file. Throws `ERR_CA_INDEX` if it is not an index, of another version, or damaged. */
  static open(file: string): IndexDatabase {
    return new IndexDatabase(file, (database) => check(database, file))
  }

  /** Writes an index into an empty file. */
  static create(file: string): IndexDatabase {
    return new IndexDatabase(file, (database) => {
      // The file is renamed into place when it is complete, so a crash before that does no harm.
      database.exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
      database.exec(indexSchema)
    })
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]()
  }

  transaction(work: () => void): void {
    this.#database.transaction(work)
  }

  addCertificate(row: IndexedCertificate): void {
    this.#insert("certificates", { ...row })
  }

  addRequest(row: IndexedRequest): void {
    this.#insert("requests", { ...row })
  }

  addRevocation(row: IndexedRevocation): void {
    this.#insert("revocations", { ...row })
  }

  remove(table: Table, id: string): void {
    this.#database.run(`DELETE FROM ${table} WHERE ${keys[table]} = ?`, id)
  }

  /** All ids of a table, for the comparison with the names of the records. */
  ids(table: Table): Set<string> {
    const rows = this.#database.all<{ id: string }>(`SELECT ${keys[table]} AS id FROM ${table}`)
    return new Set(rows.map(({ id }) => id))
  }

  /** All certificates by name, the newest first; without `all` only the newest of each name. */
  list({ all }: { all: boolean }): ListedRow[] {
    return this.#database.all<ListedRow>(all ? listCertificates : listNewestCertificates)
  }

  /** The certificates of one name, the newest first. */
  named(name: string): ListedRow[] {
    return this.#database.all<ListedRow>(listCertificatesNamed, name)
  }

  /** The certificates with this serial number, the newest first: other CAs may have used the same number. */
  withSerial(serial: string): ListedRow[] {
    return this.#database.all<ListedRow>(listCertificatesWithSerial, serial)
  }

  requests(): IndexedRequest[] {
    return this.#database.all<IndexedRequest>("SELECT * FROM requests ORDER BY name, at DESC, id")
  }

  revocations(): ListedRevocation[] {
    return this.#database.all<ListedRevocation>(listRevocations)
  }

  /** A stored number; 0 if it was never set. */
  number(name: string): number {
    return this.#database.get<{ value: number }>("SELECT value FROM numbers WHERE name = ?", name)?.value ?? 0
  }

  setNumber(name: string, value: number): void {
    this.#insert("numbers", { name, value })
  }

  #insert(table: Table | "numbers", row: Record<string, string | number>): void {
    const names = Object.keys(row)
    const sql = `INSERT OR REPLACE INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`
    this.#database.run(sql, ...Object.values(row))
  }
}

const keys: Readonly<Record<Table, string>> = { certificates: "id", requests: "id", revocations: "serial" }

function check(database: Sqlite, file: string): void {
  if (database.pragma("application_id") !== applicationId)
    throw damagedIndex(file, "it is not an index of a CA")
  const found = Number(database.pragma("user_version"))
  if (found !== schemaVersion)
    throw damagedIndex(file, found > schemaVersion ? "a newer Purser made it" : "an older Purser made it")
  // Unlike quick_check, integrity_check compares the tables with their indexes too.
  if (database.pragma("integrity_check") !== "ok") throw damagedIndex(file, "its integrity check fails")
}

function indexError(file: string, { isDamage, reason, cause }: SqliteFailure): PurserError {
  if (isDamage) return damagedIndex(file, reason, cause)
  return new PurserError("ERR_CA", `cannot use the index ${file}: ${reason}`, { cause })
}

export function damagedIndex(file: string, why: string, cause?: unknown): PurserError {
  return new PurserError("ERR_CA_INDEX", `the index ${file} is damaged: ${why}`, {
    hint: "purser ca reindex rebuilds it from the records; nothing is lost",
    cause,
  })
}
