import { PurserError, isPurserError, type ErrorCode } from "../base/errors.ts"
import { isSecretName, quote } from "../base/names.ts"
import type { Authority } from "./authority/authority.ts"
import type { IndexDatabase } from "./records/index-database.ts"
import type { ListedRow } from "./records/index-rows.ts"
import { lockCa } from "./lock.ts"
import type { Signer } from "./authority/make.ts"
import type { RecordIndex } from "./records/record-index.ts"
import type { CertificateRecord } from "./records/record.ts"
import type { RecordFiles } from "./records/records.ts"
import type { CaOptions } from "./options.ts"

/** State that the operations of a CA share. */
export interface CaContext {
  readonly options: CaOptions
  /** `ca/` of the state directory. */
  readonly directory: string
  readonly authority: Authority
  readonly records: RecordFiles
  readonly index: RecordIndex
  readonly now: () => Date
  readonly step: (name: string) => void
}

/** Throws `ERR_NAME` if this is not a valid certificate name. */
export function checkName(name: string): void {
  if (isSecretName(name)) return
  throw new PurserError("ERR_NAME", `${quote(name)} is not a name for a certificate`, {
    hint: "use one to eight segments of A-Z a-z 0-9 . _ - joined by /, each starting with a letter or digit",
  })
}

/**
 * Takes the lock and returns it with the current intermediate. The passphrase is asked for before the lock is taken, so
 * that no other process waits for a prompt.
 */
export async function lockSigner(
  { authority, directory }: CaContext,
  signal: AbortSignal,
): Promise<{ signer: Signer; lock: Disposable }> {
  for (;;) {
    const signer = await authority.signer()
    const lock = await lockCa(directory, signal)
    try {
      if (await authority.isCurrent(signer)) return { signer, lock }
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
    // Another process made a new intermediate in the meantime.
    lock[Symbol.dispose]()
  }
}

/** Writes a change, already on disk as a record, to the index. A failure is only logged: the next use catches up. */
export function updateIndex({ options, step }: CaContext, index: IndexDatabase, change: () => void): void {
  try {
    index.transaction(change)
  } catch (error) {
    const codes: ErrorCode[] = ["ERR_CA", "ERR_CA_INDEX"]
    if (!isPurserError(error) || !codes.includes(error.code)) throw error
    options.log.warn(`${error.message}; the change itself was saved`, { hint: error.hint })
  }
  step("index")
}

/** Now, or just after the newest record of that name, so that a new record is the newest even if the clock went back. */
export function laterThan(index: IndexDatabase, name: string, now: Date): Date {
  const last = index.named(name)[0]?.at ?? 0
  return new Date(Math.max(now.getTime(), last + 1))
}

/** Finds certificates by serial number in hex: with or without colons and leading zeros, in either case. */
export function withSerial(index: IndexDatabase, text: string): ListedRow[] {
  const serial = text.replaceAll(":", "").toLowerCase()
  if (!/^[0-9a-f]+$/.test(serial)) return []
  const found = index.withSerial(serial)
  return found.length > 0 ? found : index.withSerial(serial.padStart(32, "0"))
}

/** Reads the record of a row of the index. Throws `ERR_CA` if its file is missing or damaged. */
export async function recordOf({ records }: CaContext, { id }: ListedRow): Promise<CertificateRecord> {
  const record = await records.record(id)
  if (record !== null) return record
  throw new PurserError("ERR_CA", `the record ${id} is missing`, { hint: "restore it from a backup" })
}

export function noSuch(nameOrSerial: string): PurserError {
  return new PurserError("ERR_CA", `there is no certificate ${quote(nameOrSerial)}`, {
    hint: "purser ca ls lists the certificates",
  })
}
