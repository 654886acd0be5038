import { firstHead, type AuditHead, type HeadStore } from "../audit/audit-log.ts"
import { isDigest } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import type { StateDatabase } from "./database.ts"
import { upsertAuditHead } from "./queries/upsert-audit-head.ts"

/** The head of the audit log, which nobody can cut off together with the file's last lines. */
export class AuditHeadStore implements HeadStore {
  readonly #database: StateDatabase

  constructor(database: StateDatabase) {
    this.#database = database
  }

  /** Throws `ERR_STATE` for a head that cannot be ours. */
  read(): AuditHead {
    const row = this.#database.prepare("SELECT seq, hash, size_bytes, pending FROM audit_head").get()
    if (row === undefined) return firstHead
    const { seq, hash, size_bytes: sizeBytes, pending } = row
    if (!isDigest(hash)) throw new PurserError("ERR_STATE", "the audit head in the state database is damaged")
    return { seq: Number(seq), hash, sizeBytes: Number(sizeBytes), pending: String(pending) }
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
