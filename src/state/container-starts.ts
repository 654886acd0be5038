import type { StateDatabase } from "./database.ts"

/**
 * What was delivered to one start of a container: whether all of it, and the reload that is owed for it. What a
 * container has in memory goes with its end, and so does what is remembered here: another start has a row of its own.
 */

export interface ContainerStart {
  readonly app: string
  /** The container's full id. */
  readonly id: string
  /** As the engine says it; new for every start. */
  readonly startedAt: string
}

export interface Remembered {
  /** Everything required was in place once, so that the application may use it. */
  readonly isComplete: boolean
  /** As `formatReload` writes it; null when none is owed. */
  readonly owed: string | null
}

const nothing: Remembered = { isComplete: false, owed: null }

export class ContainerStarts {
  readonly #database: StateDatabase

  constructor(database: StateDatabase) {
    this.#database = database
  }

  find({ app, id, startedAt }: ContainerStart): Remembered {
    const row = this.#database
      .prepare("SELECT complete, owed FROM containers WHERE app = ? AND id = ? AND started = ?")
      .get(app, id, startedAt)
    if (row === undefined) return nothing
    return { isComplete: row["complete"] === 1, owed: row["owed"] as string | null }
  }

  /** On disk when this returns. What was remembered of other starts of the container is dropped. */
  remember({ app, id, startedAt }: ContainerStart, { isComplete, owed }: Remembered): void {
    this.#database.transaction(() =>
      this.#database.run(
        "INSERT INTO containers (app, id, started, complete, owed) VALUES (?, ?, ?, ?, ?) ON CONFLICT (app, id) DO UPDATE SET started = excluded.started, complete = excluded.complete, owed = excluded.owed",
        app,
        id,
        startedAt,
        isComplete ? 1 : 0,
        owed,
      ),
    )
  }

  /** Its reload has happened. Nothing changes where another start is remembered by now. */
  pay({ app, id, startedAt }: ContainerStart): void {
    this.#database.transaction(() =>
      this.#database.run(
        "UPDATE containers SET owed = NULL WHERE app = ? AND id = ? AND started = ?",
        app,
        id,
        startedAt,
      ),
    )
  }

  /** Drops what is remembered of containers that do not run any more. */
  keepOnly(running: ReadonlySet<string>): void {
    const ids = this.#database.prepare("SELECT DISTINCT id FROM containers").all()
    const gone = ids.map(({ id }) => String(id)).filter((id) => !running.has(id))
    if (gone.length === 0) return
    this.#database.transaction(() => {
      for (const id of gone) this.#database.run("DELETE FROM containers WHERE id = ?", id)
    })
  }
}
