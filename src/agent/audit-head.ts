import type { AuditLog } from "../audit/audit-log.ts"
import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"

/** Kept wherever logs go, it shows with `purser audit verify --expect` whether history was rewritten here. */
export function logHead(audit: AuditLog, log: Log): void {
  try {
    log.info(`audit head ${audit.head()}`)
  } catch (error) {
    log.error(`cannot read the head of the audit log: ${reasonOf(error)}`)
  }
}
