import type { Pin } from "../channel/pin.ts"
import type { StateDatabase } from "./database.ts"
import type { KnownNode } from "./nodes.ts"
import { deleteExcessPending } from "./queries/delete-excess-pending.ts"
import { listApprovals } from "./queries/list-approvals.ts"

export type Approval = "pending" | "approved" | "rejected"

/** The number of pins that may wait at one address: a peer that shows ever new ones must not fill the disk. */
const mostPending = 16

/** Which pins a person has approved or rejected for an app, and which wait for a decision. */
export class ApprovalStore {
  readonly #database: StateDatabase
  readonly #now: () => number

  constructor(database: StateDatabase, now: () => number) {
    this.#database = database
    this.#now = now
  }

  find(app: string, pin: Pin): Approval | undefined {
    const row = this.#database.prepare("SELECT state FROM approvals WHERE app = ? AND pin = ?").get(app, pin)
    return row?.["state"] as Approval | undefined
  }

  /** Lets a pin wait for a decision, unless there is one. Of the pending pins at one address the newest stay. */
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

  /** Decides on a pin, for one app or for every app that it asked. Returns the apps. */
  decide(pin: string, decision: "approved" | "rejected", app?: string): string[] {
    return this.#database.transaction(() => {
      this.#database.bumpRevision()
      const rows = this.#database
        .prepare("UPDATE approvals SET state = ?1 WHERE pin = ?2 AND (?3 IS NULL OR app = ?3) RETURNING app")
        .all(decision, pin, app ?? null)
      return rows.map((row) => String(row["app"]))
    })
  }

  /** All of them, decided or not, as nodes. */
  list(): KnownNode[] {
    const rows = this.#database.prepare(listApprovals).all()
    return rows.map((row) => row as unknown as KnownNode)
  }

  /** Returns how many there were of this pin or at this address. */
  delete(pinOrAddress: string): number {
    return Number(
      this.#database.prepare("DELETE FROM approvals WHERE ?1 IN (pin, address)").run(pinOrAddress).changes,
    )
  }
}
