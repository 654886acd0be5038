import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { AuditLog } from "./audit-log.ts"

const everyHourMs = 3_600_000

/**
 * Logs the head of the audit log every hour, as `purser audit verify --expect` takes it. Whoever can write to the state
 * directory can write the whole log anew, but not the journal or the log server that got this line.
 */
export function logHeads(audit: Pick<AuditLog, "head">, log: Log, everyMs = everyHourMs): Disposable {
  const timer = setInterval(() => {
    try {
      log.info("head of the audit log", { head: audit.head() })
    } catch (error) {
      log.error(`the head of the audit log cannot be read: ${reasonOf(error)}`)
    }
  }, everyMs)
  // The agent runs by its schedule, not by this.
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
