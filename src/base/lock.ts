import { DatabaseSync } from "node:sqlite"
import { readFileSync, writeFileSync } from "node:fs"
import { PurserError, reasonOf } from "./errors.ts"

/**
 * A lock that ends with its holder, however that ends: SQLite's exclusive lock
 * on a file of its own, which the kernel lets go with the process. A pid file
 * would outlive `kill -9`, and its number may be another process by then.
 */
export function acquireLock(file: string, what: string): Disposable {
  const database = open(file)
  try {
    database.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS lock (held); COMMIT",
    )
    writeFileSync(`${file}.pid`, `${process.pid}\n`, { mode: 0o600 })
    return { [Symbol.dispose]: () => database.close() }
  } catch (error) {
    database.close()
    if (!/database is locked/.test(reasonOf(error))) {
      throw new PurserError("ERR_STATE", `cannot lock ${file}: ${reasonOf(error)}`, { cause: error })
    }
    throw new PurserError("ERR_LOCKED", `${what} is in use by process ${holderOf(file)}`, {
      hint: "end that one first, or give this one a state directory of its own with --state",
    })
  }
}

function open(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file)
  } catch (error) {
    throw new PurserError("ERR_STATE", `cannot open ${file}: ${reasonOf(error)}`, { cause: error })
  }
}

function holderOf(file: string): string {
  try {
    return readFileSync(`${file}.pid`, "utf8").trim()
  } catch {
    return "unknown"
  }
}
