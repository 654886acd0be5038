import { chmodSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { PurserError, reasonOf } from "../base/errors.ts"
import { ApprovalStore } from "./approvals.ts"
import { AuditHeadStore } from "./audit-head.ts"
import { ContainerStarts } from "./container-starts.ts"
import { StateDatabase } from "./database.ts"
import { NodeStore } from "./nodes.ts"
import { migrate } from "./schema.ts"
import { StoredKeys } from "./stored-keys.ts"
import { TokenStore, type Clocks } from "./tokens.ts"

/**
 * What the agent must remember, in one database: a store for each kind of thing, which alone knows its tables.
 * Commands work on it while an agent runs.
 */
export class State implements Disposable {
  readonly tokens: TokenStore
  readonly nodes: NodeStore
  readonly approvals: ApprovalStore
  readonly containers: ContainerStarts
  readonly auditHead: AuditHeadStore
  readonly keys: StoredKeys
  readonly #database: StateDatabase

  constructor(sqlite: DatabaseSync, clocks: Clocks) {
    const database = new StateDatabase(sqlite)
    this.#database = database
    this.tokens = new TokenStore(database, clocks)
    this.nodes = new NodeStore(database, clocks.now)
    this.approvals = new ApprovalStore(database, clocks.now)
    this.containers = new ContainerStarts(database)
    this.auditHead = new AuditHeadStore(database)
    this.keys = new StoredKeys(database)
  }

  /** Changes when a command decided something that a running agent should act on. */
  revision(): number {
    return this.#database.revision()
  }

  /** Forgets nodes and approvals by pin or address. Returns how many there were. */
  forget(pinOrAddress: string): number {
    this.nodes.flush()
    return this.#database.transaction(() => {
      this.#database.bumpRevision()
      return this.nodes.delete(pinOrAddress) + this.approvals.delete(pinOrAddress)
    })
  }

  [Symbol.dispose](): void {
    if (!this.#database.isOpen) return
    try {
      this.nodes[Symbol.dispose]()
    } finally {
      this.#database.close()
    }
  }
}

export function stateFileIn(directory: string): string {
  return join(directory, "state.sqlite")
}

/** The state of a directory, which must be there. Throws `ERR_STATE` for a damaged one, or one of a newer Purser. */
export function openState(
  directory: string,
  { now = Date.now, uptime = () => performance.now() }: Partial<Clocks> = {},
): State {
  const file = stateFileIn(directory)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file)
    if (process.platform !== "win32") chmodSync(file, 0o600)
    database.exec(
      "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
    )
    migrate(database, file)
    const damage = String(database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"])
    if (damage !== "ok") throw new Error(damage)
    return new State(database, { now, uptime })
  } catch (error) {
    database?.close()
    if (error instanceof PurserError) throw error
    throw new PurserError("ERR_STATE", `cannot open the state ${file}: ${reasonOf(error)}`, {
      hint: "is it a state directory of Purser, and may this user write to it?",
      cause: error,
    })
  }
}
