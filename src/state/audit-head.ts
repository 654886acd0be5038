import { firstHead, type AuditHead, type HeadStore } from "../audit/audit-log.ts"
import { isDigest } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import type { Sqlite } from "../base/sqlite.ts"
import { upsertAuditHead } from "./queries/upsert-audit-head.ts"

/** The head of the audit log. It is kept apart from the file, so that cutting off the file's last lines is detected. */
export class AuditHeadStore implements HeadStore {
  readonly #database: Sqlite

  constructor(database: Sqlite) {
    this.#database = database
  }

  /** Returns the head. Throws `ERR_STATE` if it is damaged. */
  read(): AuditHead {
    const head = this.#database.get<AuditHead>(
      "SELECT seq, hash, size_bytes AS sizeBytes, pending FROM audit_head",
    )
    if (head === undefined) return firstHead
    if (!isDigest(head.hash))
      throw new PurserError("ERR_STATE", "the audit head in the state database is damaged")
    return head
  }

  update(work: (head: AuditHead) => AuditHead): void {
    this.#database.transaction(() => {
      const head = this.read()
      const next = work(head)
      if (next === head) return
      this.#database.run(upsertAuditHead, next.seq, next.hash, next.sizeBytes, next.pending)
    })
  }
}
