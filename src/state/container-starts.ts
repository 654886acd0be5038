import type { Sqlite } from "../base/sqlite.ts"
import { upsertContainerStart } from "./queries/upsert-container-start.ts"

/**
 * A record of each start of a container: is everything in place that was to be delivered, and which reload is pending.
 * Files in a container's memory end with the container, and so does its record: another start begins with none.
 */

export interface ContainerStart {
  readonly app: string
  /** The container's full id. */
  readonly id: string
  /** As the engine says it; new for every start. */
  readonly startedAt: string
}

export interface StartRecord {
  /** Everything required was in place once, so that the application may use it. */
  readonly isComplete: boolean
  /** As `formatReload` writes it; null when none is pending. */
  readonly pendingReload: string | null
}

const nothing: StartRecord = { isComplete: false, pendingReload: null }

export class ContainerStarts {
  readonly #database: Sqlite

  constructor(database: Sqlite) {
    this.#database = database
  }

  find({ app, id, startedAt }: ContainerStart): StartRecord {
    const sql = "SELECT complete, owed FROM containers WHERE app = ? AND id = ? AND started = ?"
    const row = this.#database.get<{ complete: number; owed: string | null }>(sql, app, id, startedAt)
    return row === undefined ? nothing : { isComplete: row.complete === 1, pendingReload: row.owed }
  }

  /** On disk when this returns. What was remembered of other starts of the container is dropped. */
  remember({ app, id, startedAt }: ContainerStart, { isComplete, pendingReload }: StartRecord): void {
    this.#database.run(upsertContainerStart, app, id, startedAt, isComplete ? 1 : 0, pendingReload)
  }

  /** Its reload has happened. Nothing changes where another start is remembered by now. */
  clearReload({ app, id, startedAt }: ContainerStart): void {
    const sql = "UPDATE containers SET owed = NULL WHERE app = ? AND id = ? AND started = ?"
    this.#database.run(sql, app, id, startedAt)
  }

  /** Drops what is remembered of containers that do not run any more. */
  keepOnly(running: ReadonlySet<string>): void {
    const rows = this.#database.all<{ id: string }>("SELECT DISTINCT id FROM containers")
    const gone = rows.map(({ id }) => id).filter((id) => !running.has(id))
    if (gone.length === 0) return
    this.#database.transaction(() => {
      for (const id of gone) this.#database.run("DELETE FROM containers WHERE id = ?", id)
    })
  }
}
