import type { Pin } from "../channel/pin.ts"
import type { Sqlite } from "../base/sqlite.ts"
import type { Clocks } from "./latest-time.ts"
import type { KnownNode } from "./nodes.ts"
import { deleteExcessPending } from "./queries/delete-excess-pending.ts"
import { listApprovals } from "./queries/list-approvals.ts"
import { Revision } from "./revision.ts"

export type Approval = "pending" | "approved" | "rejected"

/** The maximum of pending pins at one address, so that a peer with ever new pins cannot fill the disk. */
const mostPending = 16

/** The pins that a person has approved or rejected for an app, and the pending ones. */
export class ApprovalStore {
  readonly #database: Sqlite
  readonly #revision: Revision
  readonly #now: () => number

  constructor(database: Sqlite, { now }: Pick<Clocks, "now">) {
    this.#database = database
    this.#revision = new Revision(database)
    this.#now = now
  }

  find(app: string, pin: Pin): Approval | undefined {
    const sql = "SELECT state FROM approvals WHERE app = ? AND pin = ?"
    return this.#database.get<{ state: Approval }>(sql, app, pin)?.state
  }

  /** Adds a pending pin, unless it is already known. Drops the oldest pending pins above the maximum at one address. */
  request(app: string, pin: Pin, address: string, name: string): void {
    this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO approvals (app, pin, address, name, state, asked) VALUES (?, ?, ?, ?, 'pending', ?) ON CONFLICT DO NOTHING",
        app,
        pin,
        address,
        name,
        this.#now(),
      )
      this.#database.run(deleteExcessPending, app, address, app, address, pin, mostPending - 1)
    })
  }

  /** Decides on a pin, for one app or for every app at which it is known. Returns the apps. */
  decide(pin: string, decision: "approved" | "rejected", app?: string): string[] {
    return this.#database.transaction(() => {
      this.#revision.bump()
      const sql = "UPDATE approvals SET state = ?1 WHERE pin = ?2 AND (?3 IS NULL OR app = ?3) RETURNING app"
      return this.#database.all<{ app: string }>(sql, decision, pin, app ?? null).map((row) => row.app)
    })
  }

  /** Returns all pins, decided or pending, as nodes. */
  list(): KnownNode[] {
    return this.#database.all<KnownNode>(listApprovals)
  }

  /** Deletes the entries of this pin or at this address. Returns their number. */
  delete(pinOrAddress: string): number {
    return this.#database.run("DELETE FROM approvals WHERE ?1 IN (pin, address)", pinOrAddress)
  }
}
