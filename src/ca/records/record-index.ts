import { X509Certificate } from "node:crypto"
import { statSync } from "node:fs"
import { stat, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { syncDirectory, temporaryIn } from "../../base/atomic-file.ts"
import { PurserError, isPurserError, systemErrorCode } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { writeNew, writing } from "../files.ts"
import { IndexDatabase, damagedIndex } from "./index-database.ts"
import type { IndexedCertificate, IndexedRequest, Table } from "./index-rows.ts"
import { keyTypeOf } from "../keys.ts"
import { lockCa, tryLockCa } from "../lock.ts"
import { certificateOf, recordId, type Kind, type RecordFiles, type Revocation } from "./records.ts"
import type { CertificateRecord, CertificateRequest } from "./record.ts"

/**
 * Keeps the index up to date with the records. It compares the names of the files with the rows, because a process may
 * have been killed between writing the two, or the files were restored from a backup. Only the holder of the lock writes
 * to the index, and nothing here changes a record.
 */

const tables: Record<Kind, Table> = { issued: "certificates", requests: "requests", revoked: "revocations" }
const kinds = ["issued", "revoked", "requests"] as const

/** Coarsest step of directory times: a second change within it may leave the time as it is. */
const coarseMs = 2000

export class RecordIndex implements Disposable {
  readonly #directory: string
  readonly #file: string
  readonly #records: RecordFiles
  readonly #log: Log
  #open: { readonly database: IndexDatabase; readonly inode: bigint } | undefined
  readonly #retired: IndexDatabase[] = []
  /** Modification times of the directories at the last comparison. */
  #compared = ""

  constructor(directory: string, records: RecordFiles, log: Log) {
    this.#directory = directory
    this.#file = join(directory, "index.db")
    this.#records = records
    this.#log = log
  }

  /** The index for reading. Takes the lock only to catch up. Null if `ca/` does not exist. */
  async forReading(): Promise<IndexDatabase | null> {
    if ((await inodeOf(this.#directory)) === null) return null
    const database = this.#database()
    if (database === null) {
      using _lock = await lockCa(this.#directory, AbortSignal.timeout(20_000))
      return await this.forChange()
    }
    if (await this.#isCurrent(database)) return database
    // If another process holds the lock, it has caught up before its change, which readers need not see yet.
    using lock = tryLockCa(this.#directory)
    return lock === null ? database : await this.forChange()
  }

  /** The index, up to date. The caller holds the lock. */
  async forChange(): Promise<IndexDatabase> {
    const database = this.#database() ?? (await this.#build(0)).database
    if (!(await this.#isCurrent(database))) await this.#catchUp(database)
    return database
  }

  /** Rebuilds the index. The caller holds the lock. Resolves with the number of certificates. */
  async rebuild(): Promise<number> {
    let last = 0
    try {
      last = this.#database()?.number(crlNumber) ?? 0
    } catch (error) {
      // The number is lost with a damaged index; the next CRL takes its number from the clock.
      if (!isPurserError(error, "ERR_CA_INDEX")) throw error
    }
    return (await this.#build(last)).count
  }

  [Symbol.dispose](): void {
    this.#retire()
    for (const database of this.#retired.splice(0)) database[Symbol.dispose]()
  }

  /**
   * The open database; null if there is no file. Opens it again if another process has replaced it. Synchronous, so that
   * of two concurrent calls the second uses the database that the first has opened.
   */
  #database(): IndexDatabase | null {
    const found = statSync(this.#file, { bigint: true, throwIfNoEntry: false })
    if (this.#open !== undefined && this.#open.inode === found?.ino) return this.#open.database
    this.#retire()
    if (found === undefined) return null
    // A new index is renamed into place when it is complete, so an empty file was truncated.
    if (found.size === 0n) throw damagedIndex(this.#file, "it is empty")
    this.#open = { database: IndexDatabase.open(this.#file), inode: found.ino }
    return this.#open.database
  }

  /** Stops using the database. It is closed only at the end, because readers may still use it. */
  #retire(): void {
    if (this.#open !== undefined) this.#retired.push(this.#open.database)
    this.#open = undefined
    this.#compared = ""
  }

  async #isCurrent(database: IndexDatabase): Promise<boolean> {
    const times = await Promise.all(kinds.map((kind) => changeTime(this.#records.directoryOf(kind))))
    const seen = times.join(" ")
    if (seen === this.#compared) return true
    for (const kind of kinds) {
      const ids = await this.#records.ids(kind)
      const known = database.ids(tables[kind])
      if (ids.length !== known.size || !ids.every((id) => known.has(id))) return false
    }
    const newest = Math.max(...times.map((time) => Number(time / 1_000_000n)))
    if (Date.now() - newest > coarseMs) this.#compared = seen
    return true
  }

  async #catchUp(database: IndexDatabase): Promise<void> {
    await this.#records.tidy()
    const changes: (() => void)[] = []
    for (const kind of kinds) {
      const table = tables[kind]
      const known = database.ids(table)
      for (const id of await this.#records.ids(kind)) {
        if (!known.delete(id)) changes.push(await this.#adding(database, kind, id))
      }
      for (const id of known) {
        if (kind !== "requests") this.#log.warn(`the record ${kind}/${id}.json has disappeared`)
        changes.push(() => database.remove(table, id))
      }
    }
    database.transaction(() => {
      for (const change of changes) change()
    })
  }

  /** Writes a new index beside the old one and renames it, so that readers see either the old or the new one. */
  async #build(lastCrlNumber: number): Promise<{ database: IndexDatabase; count: number }> {
    const temporary = temporaryIn(this.#directory)
    let count = 0
    await writing(this.#file, async () => {
      try {
        await writeNew(temporary, "")
        using database = IndexDatabase.create(temporary)
        const changes: (() => void)[] = []
        for (const kind of kinds) {
          const ids = await this.#records.ids(kind)
          if (kind === "issued") count = ids.length
          for (const id of ids) changes.push(await this.#adding(database, kind, id))
        }
        database.transaction(() => {
          for (const change of changes) change()
          database.setNumber(crlNumber, lastCrlNumber)
        })
        database[Symbol.dispose]()
        // The journal belongs to an aborted transaction of the old file; SQLite would apply it to the new file.
        await rm(`${this.#file}-journal`, { force: true })
        await rename(temporary, this.#file)
        await syncDirectory(this.#directory)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
    const database = this.#database()
    if (database === null) throw new PurserError("ERR_CA", `${this.#file} was removed`)
    return { database, count }
  }

  async #adding(database: IndexDatabase, kind: Kind, id: string): Promise<() => void> {
    if (kind === "issued") {
      const record = present(await this.#records.record(id), kind, id)
      return () => database.addCertificate(certificateRow(record))
    }
    if (kind === "requests") {
      const request = present(await this.#records.request(id), kind, id)
      return () => database.addRequest(requestRow(request))
    }
    const revocation = present(await this.#records.revocation(id), kind, id)
    return () => database.addRevocation(revocationRow(revocation))
  }
}

/** The key of the number of the last CRL in the index. */
export const crlNumber = "crl"

export function certificateRow(record: CertificateRecord): IndexedCertificate {
  const damaged = (): PurserError =>
    new PurserError("ERR_CERTIFICATE", `the certificate of ${record.name} cannot be read`)
  const certificate = certificateOf(record, damaged)
  const [issuer] = record.chain
  return {
    id: recordId(record),
    serial: record.serial,
    name: record.name,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    names: JSON.stringify(namesOf(record)),
    origin: record.origin,
    hasKey: record.hasKey ? 1 : 0,
    keyType: keyTypeOf(certificate.publicKey) ?? String(certificate.publicKey.asymmetricKeyType),
    keyId: record.keyId,
    issuer: record.origin === "imported" || issuer === undefined ? "" : serialOf(new X509Certificate(issuer)),
    at: Date.parse(record.at),
  }
}

export function requestRow(request: CertificateRequest): IndexedRequest {
  const { id, name, ask, at } = request
  return { id, name, names: JSON.stringify(namesOf(request)), keyType: ask.key ?? "", at: Date.parse(at) }
}

export function revocationRow({ serial, at, reason }: Revocation): {
  serial: string
  at: number
  reason: string
} {
  return { serial, at: at.getTime(), reason }
}

function namesOf({ ask }: { ask: CertificateRecord["ask"] }): string[] {
  return [...ask.dns, ...ask.ip, ...ask.email]
}

/** The serial number as 32 hex digits, in lower case. OpenSSL leaves out leading zeros. */
export function serialOf(certificate: X509Certificate): string {
  return certificate.serialNumber.toLowerCase().padStart(32, "0")
}

function present<T>(value: T | null, kind: Kind, id: string): T {
  if (value === null)
    throw new PurserError("ERR_CA", `the record ${kind}/${id}.json was removed while it was read`)
  return value
}

/** Modification time in nanoseconds; 0 if the path does not exist. */
async function changeTime(path: string): Promise<bigint> {
  return (await statOf(path))?.mtimeNs ?? 0n
}

async function inodeOf(path: string): Promise<bigint | null> {
  return (await statOf(path))?.ino ?? null
}

async function statOf(path: string): Promise<{ ino: bigint; mtimeNs: bigint } | null> {
  try {
    return await stat(path, { bigint: true })
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return null
    throw new PurserError("ERR_CA", `cannot read ${path}`, { cause: error })
  }
}
