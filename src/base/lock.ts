import type { DatabaseSync } from "node:sqlite"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { PurserError, isPurserError, reasonOf } from "./errors.ts"
import { loadSqlite } from "./sqlite.ts"

/**
 * A lock that ends with its holder, however that ends: SQLite's exclusive lock
 * on a file of its own, which the kernel lets go with the process. A pid file
 * would outlive `kill -9`, and its number may be another process by then.
 * Throws `ERR_LOCKED`, and `ERR_STATE` when the file cannot be used.
 */
export function acquireLock(file: string, what: string): Disposable {
  const database = open(file)
  try {
    // A transaction that never ends and writes nothing: the file stays empty, so no crash can damage it.
    database.exec("BEGIN EXCLUSIVE")
    if (process.platform !== "win32") chmodSync(file, 0o600)
    writeFileSync(`${file}.pid`, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    database.close()
    if (!/database is locked/.test(reasonOf(error))) {
      throw new PurserError("ERR_STATE", `cannot lock ${file}: ${reasonOf(error)}`, { cause: error })
    }
    throw new PurserError("ERR_LOCKED", `${what} is in use by process ${holderOf(file)}`, {
      hint: "end that one first, or give this one a state directory of its own with --state",
    })
  }
  return {
    [Symbol.dispose]: () => {
      if (database.isOpen) database.close()
    },
  }
}

const waitMs = 15_000

/** The same for what is held briefly: waits for its turn. Throws `ERR_LOCKED` when that does not come in 15 s. */
export async function waitForLock(file: string, what: string, signal: AbortSignal): Promise<Disposable> {
  const end = performance.now() + waitMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return acquireLock(file, what)
    } catch (error) {
      if (!isPurserError(error, "ERR_LOCKED") || performance.now() > end) throw error
    }
    // At random, so that those who wait do not try together.
    await delay(10 + Math.random() * 20, undefined, { signal })
  }
}

function open(file: string): DatabaseSync {
  try {
    const { DatabaseSync: Database } = loadSqlite()
    return new Database(file)
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
