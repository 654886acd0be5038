import type { DatabaseSync } from "node:sqlite"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { PurserError, isPurserError, reasonOf } from "./errors.ts"
import { loadSqlite } from "./sqlite.ts"

/**
 * Takes a lock that ends with its process, however that ends: SQLite's exclusive
 * lock on a file of its own, which the kernel releases with the process. A pid
 * file would outlive `kill -9`, and its number could then be another process.
 * `what` is the subject of the message. Throws `ERR_LOCKED`, and `ERR_STATE` if
 * the file cannot be used.
 */
export function acquireLock(file: string, what: string): Disposable {
  const database = open(file)
  try {
    // The transaction stays open and writes nothing, so the file stays empty and no crash can damage it.
    database.exec("BEGIN EXCLUSIVE")
    if (process.platform !== "win32") chmodSync(file, 0o600)
    writeFileSync(`${file}.pid`, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    database.close()
    if (!/database is locked/.test(reasonOf(error))) {
      throw new PurserError("ERR_STATE", `cannot lock ${file}: ${reasonOf(error)}`, { cause: error })
    }
    throw new PurserError("ERR_LOCKED", `${what} is in use by process ${holderOf(file)}`, {
      hint: "end that process first, or use another state directory with --state",
    })
  }
  return {
    [Symbol.dispose]: () => {
      if (database.isOpen) database.close()
    },
  }
}

const waitMs = 15_000

/** Takes a lock that is only held briefly, and waits for it. Throws `ERR_LOCKED` after 15 s, or the signal's reason. */
export async function waitForLock(file: string, what: string, signal: AbortSignal): Promise<Disposable> {
  const end = performance.now() + waitMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return acquireLock(file, what)
    } catch (error) {
      if (!isPurserError(error, "ERR_LOCKED") || performance.now() > end) throw error
    }
    // The delay is random, so that waiting processes do not all try at the same time.
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
