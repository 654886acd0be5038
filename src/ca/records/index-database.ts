import { DatabaseSync } from "node:sqlite"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"

/**
 * The index of the records: what `purser ca ls` shows, in one query. It holds nothing that the files do not, but the
 * number of the last CRL. What is wrong with it is `ERR_CA_INDEX`: it can be built anew.
 */

/** Of a record. Times in milliseconds since 1970. */
export interface IndexedCertificate {
  readonly id: string
  readonly serial: string
  readonly name: string
  readonly notBefore: number
  readonly notAfter: number
  /** JSON. */
  readonly names: string
  readonly origin: string
  readonly hasKey: number
  readonly keyType: string
  readonly keyId: string
  /** Serial of the intermediate that signed it; empty for what was imported. */
  readonly issuer: string
  readonly at: number
}

export interface IndexedRequest {
  readonly id: string
  readonly name: string
  /** JSON. */
  readonly names: string
  readonly keyType: string
  readonly at: number
}

export interface IndexedRevocation {
  readonly serial: string
  readonly at: number
  readonly reason: string
}

/** A record as a row of the list. */
export interface ListedRow extends IndexedCertificate {
  /** 1 for the newest of its name. */
  readonly place: number
  readonly revokedAt: number | null
}

/** "PuCA", and the version of the schema. */
const applicationId = 0x50754341
const version = 1

const schema = `
  CREATE TABLE certificates (
    id TEXT PRIMARY KEY,
    serial TEXT NOT NULL,
    name TEXT NOT NULL,
    notBefore INTEGER NOT NULL,
    notAfter INTEGER NOT NULL,
    names TEXT NOT NULL,
    origin TEXT NOT NULL,
    hasKey INTEGER NOT NULL,
    keyType TEXT NOT NULL,
    keyId TEXT NOT NULL,
    issuer TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX certificates_by_name ON certificates (name, at DESC, id DESC);
  CREATE INDEX certificates_by_serial ON certificates (serial);
  CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    names TEXT NOT NULL,
    keyType TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE revocations (serial TEXT PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`

/** Revoked is what we issued: another CA's may have the same serial. */
const withRevocations = `
  SELECT c.*, r.at AS revokedAt, row_number() OVER (PARTITION BY c.name ORDER BY c.at DESC, c.id DESC) AS place
  FROM certificates c LEFT JOIN revocations r ON r.serial = c.serial AND c.origin <> 'imported'`

export type Table = "certificates" | "requests" | "revocations"

export class IndexDatabase implements Disposable {
  readonly #sqlite: DatabaseSync
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
    this.#sqlite = new DatabaseSync(file, { timeout: 5000 })
  }

  /** Of a file that is there. Throws `ERR_CA_INDEX` when it is not an index, or damaged. */
  static open(file: string): IndexDatabase {
    return IndexDatabase.#opened(file, (index) => index.#check())
  }

  /** Writes an index into an empty file. */
  static create(file: string): IndexDatabase {
    return IndexDatabase.#opened(file, (index) => {
      // Nobody reads it yet: it gets its name when it is whole.
      index.#sqlite.exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
      index.#sqlite.exec(schema)
    })
  }

  static #opened(file: string, prepare: (index: IndexDatabase) => void): IndexDatabase {
    return guarded(file, () => {
      const index = new IndexDatabase(file)
      try {
        prepare(index)
        return index
      } catch (error) {
        index[Symbol.dispose]()
        throw error
      }
    })
  }

  [Symbol.dispose](): void {
    if (this.#sqlite.isOpen) this.#sqlite.close()
  }

  transaction(work: () => void): void {
    this.#guard(() => {
      this.#sqlite.exec("BEGIN IMMEDIATE")
      try {
        work()
        this.#sqlite.exec("COMMIT")
      } catch (error) {
        // SQLite has done so itself after some errors, such as a full disk.
        if (this.#sqlite.isTransaction) this.#sqlite.exec("ROLLBACK")
        throw error
      }
    })
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
    const key = table === "revocations" ? "serial" : "id"
    this.#guard(() => this.#sqlite.prepare(`DELETE FROM ${table} WHERE ${key} = ?`).run(id))
  }

  /** What the files' names are compared with. */
  ids(table: Table): Set<string> {
    const key = table === "revocations" ? "serial" : "id"
    return new Set(this.#all(`SELECT ${key} AS id FROM ${table}`).map((row) => String(row["id"])))
  }

  /** By name, the newest first; the newest of each name only, or all. */
  list({ all }: { all: boolean }): ListedRow[] {
    const where = all ? "" : "WHERE place = 1"
    return rows<ListedRow>(
      this.#all(`SELECT * FROM (${withRevocations}) ${where} ORDER BY name, at DESC, id DESC`),
    )
  }

  /** Of one name, the newest first. */
  named(name: string): ListedRow[] {
    return rows<ListedRow>(
      this.#all(`${withRevocations} WHERE c.name = ? ORDER BY c.at DESC, c.id DESC`, name),
    )
  }

  /** The newest first: other CAs may have given the same. */
  withSerial(serial: string): ListedRow[] {
    return rows<ListedRow>(
      this.#all(`${withRevocations} WHERE c.serial = ? ORDER BY c.at DESC, c.id DESC`, serial),
    )
  }

  requests(): IndexedRequest[] {
    return rows<IndexedRequest>(this.#all("SELECT * FROM requests ORDER BY name, at DESC, id"))
  }

  /** With the record of each, where there is one. */
  revocations(): (IndexedRevocation & { issuer: string | null; notAfter: number | null })[] {
    return rows(
      this.#all(
        `SELECT r.*, c.issuer, c.notAfter FROM revocations r
         LEFT JOIN certificates c ON c.serial = r.serial AND c.origin <> 'imported' ORDER BY r.at, r.serial`,
      ),
    )
  }

  /** Zero while it was never set. */
  number(name: string): number {
    return Number(this.#all("SELECT value FROM numbers WHERE name = ?", name)[0]?.["value"] ?? 0)
  }

  setNumber(name: string, value: number): void {
    this.#insert("numbers", { name, value })
  }

  #check(): void {
    const pragma = (name: string): unknown => this.#all(`PRAGMA ${name}`)[0]?.[name]
    if (pragma("application_id") !== applicationId) throw damagedIndex(this.#file, "it is another file")
    const found = Number(pragma("user_version"))
    if (found !== version)
      throw damagedIndex(this.#file, found > version ? "a newer Purser made it" : "an older Purser made it")
    // Compares the tables with their indexes too, which quick_check does not.
    if (pragma("integrity_check") !== "ok") throw damagedIndex(this.#file, "its pages do not fit together")
  }

  #insert(table: string, row: Record<string, string | number | null>): void {
    const names = Object.keys(row)
    const sql = `INSERT OR REPLACE INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`
    this.#guard(() => this.#sqlite.prepare(sql).run(...Object.values(row)))
  }

  #all(sql: string, ...values: string[]): Record<string, unknown>[] {
    return this.#guard(() => this.#sqlite.prepare(sql).all(...values))
  }

  #guard<T>(work: () => T): T {
    return guarded(this.#file, work)
  }
}

/** SQLite's result codes: SQL error (a table is missing), CORRUPT, NOTADB. */
const damage = new Set([1, 11, 26])

/** SQLite's errors as ours. */
function guarded<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (isPurserError(error)) throw error
    // A number that no time or count of ours has.
    if (systemErrorCode(error) === "ERR_OUT_OF_RANGE") throw damagedIndex(file, "a number is wrong", error)
    if (systemErrorCode(error) !== "ERR_SQLITE_ERROR") throw error
    const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0
    if (damage.has(code)) throw damagedIndex(file, reasonOf(error), error)
    throw new PurserError("ERR_CA", `cannot use the index ${file}: ${reasonOf(error)}`, { cause: error })
  }
}

export function damagedIndex(file: string, why: string, cause?: unknown): PurserError {
  return new PurserError("ERR_CA_INDEX", `the index ${file} is damaged: ${why}`, {
    hint: "purser ca reindex builds it anew from the records; nothing is lost",
    cause,
  })
}

/** They come out of tables whose columns are these. */
function rows<T>(found: Record<string, unknown>[]): T[] {
  return found.map((row) => ({ ...row }) as T)
}
