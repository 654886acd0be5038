import type { Sqlite } from "../base/sqlite.ts"
import { upsertContainerStart } from "./queries/upsert-container-start.ts"

/**
 * A record of each start of a container: whether all required files are in place, and which reload is pending. A new
 * start begins without a record, because files in a container's memory end with it.
 */

export interface ContainerStart {
  readonly app: string
  /** The container's full id. */
  readonly id: string
  /** The engine's own text, which is new for every start. */
  readonly startedAt: string
}

export interface StartRecord {
  /** Whether all required files have been in place once, so that the application may use them. */
  readonly isComplete: boolean
  /** The pending reload in the form of `formatReload`, or null. */
  readonly pendingReload: string | null
}

const noRecord: StartRecord = { isComplete: false, pendingReload: null }

export class ContainerStarts {
  readonly #database: Sqlite

  constructor(database: Sqlite) {
    this.#database = database
  }

  find({ app, id, startedAt }: ContainerStart): StartRecord {
    const sql = "SELECT complete, owed FROM containers WHERE app = ? AND id = ? AND started = ?"
    const row = this.#database.get<{ complete: number; owed: string | null }>(sql, app, id, startedAt)
    return row === undefined ? noRecord : { isComplete: row.complete === 1, pendingReload: row.owed }
  }

  /** Writes a record to disk, in the place of the container's previous start. */
  remember({ app, id, startedAt }: ContainerStart, { isComplete, pendingReload }: StartRecord): void {
    this.#database.run(upsertContainerStart, app, id, startedAt, isComplete ? 1 : 0, pendingReload)
  }

  /** Clears the pending reload of this start. Does nothing if another start has been recorded meanwhile. */
  clearReload({ app, id, startedAt }: ContainerStart): void {
    const sql = "UPDATE containers SET owed = NULL WHERE app = ? AND id = ? AND started = ?"
    this.#database.run(sql, app, id, startedAt)
  }

  /** Deletes the records of all containers but the running ones. */
  keepOnly(running: ReadonlySet<string>): void {
    const rows = this.#database.all<{ id: string }>("SELECT DISTINCT id FROM containers")
    const gone = rows.map(({ id }) => id).filter((id) => !running.has(id))
    if (gone.length === 0) return
    this.#database.transaction(() => {
      for (const id of gone) this.#database.run("DELETE FROM containers WHERE id = ?", id)
    })
  }
}
