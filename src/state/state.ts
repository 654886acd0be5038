import { chmodSync } from "node:fs"
import { join } from "node:path"
import { PurserError } from "../base/errors.ts"
import { Sqlite, type SqliteFailure } from "../base/sqlite.ts"
import { ApprovalStore } from "./approvals.ts"
import { AuditHeadStore } from "./audit-head.ts"
import type { Clocks } from "./latest-time.ts"
import { ContainerStarts } from "./container-starts.ts"
import { migrate } from "./migrate.ts"
import { migrations } from "./migrations.ts"
import { NodeStore } from "./nodes.ts"
import { Revision } from "./revision.ts"
import { StoredKeys } from "./stored-keys.ts"
import { TokenStore } from "./tokens.ts"

/**
 * The agent's state in one database, with a store for each kind of record, which alone knows its tables. Commands use it
 * while an agent runs. This file opens and joins the stores; it may not query a table itself.
 */
export class State implements Disposable {
  readonly tokens: TokenStore
  readonly nodes: NodeStore
  readonly approvals: ApprovalStore
  readonly containers: ContainerStarts
  readonly auditHead: AuditHeadStore
  readonly keys: StoredKeys
  readonly #database: Sqlite
  readonly #revision: Revision

  constructor(database: Sqlite, clocks: Clocks) {
    this.#database = database
    this.#revision = new Revision(database)
    this.tokens = new TokenStore(database, clocks)
    this.nodes = new NodeStore(database, clocks)
    this.approvals = new ApprovalStore(database, clocks)
    this.containers = new ContainerStarts(database)
    this.auditHead = new AuditHeadStore(database)
    this.keys = new StoredKeys(database)
  }

  /** Returns a number that changes with every decision of a command that a running agent should act on. */
  revision(): number {
    return this.#revision.get()
  }

  /** Deletes nodes and approvals by pin or address. Returns their number. */
  forget(pinOrAddress: string): number {
    this.nodes.flush()
    return this.#database.transaction(() => {
      this.#revision.bump()
      return this.nodes.delete(pinOrAddress) + this.approvals.delete(pinOrAddress)
    })
  }

  [Symbol.dispose](): void {
    if (!this.#database.isOpen) return
    try {
      this.nodes[Symbol.dispose]()
    } finally {
      this.#database[Symbol.dispose]()
    }
  }
}

export function stateFileIn(directory: string): string {
  return join(directory, "state.sqlite")
}

/** Opens the state of an existing directory. Throws `ERR_STATE` if it is damaged or of a newer Purser. */
export function openState(
  directory: string,
  { now = Date.now, uptime = () => performance.now() }: Partial<Clocks> = {},
): State {
  const file = stateFileIn(directory)
  const database = Sqlite.open(file, {
    prepare: (opened) => prepare(opened, file),
    asError: (failure) => stateError(file, failure),
  })
  return new State(database, { now, uptime })
}

function prepare(database: Sqlite, file: string): void {
  if (process.platform !== "win32") chmodSync(file, 0o600)
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
  migrate(database, file, migrations)
  const damage = String(database.pragma("quick_check(1)"))
  if (damage !== "ok") throw new Error(damage)
}

function stateError(file: string, { operation, reason, cause }: SqliteFailure): PurserError {
  if (operation !== "open")
    return new PurserError("ERR_STATE", `cannot ${operation} the state: ${reason}`, { cause })
  return new PurserError("ERR_STATE", `cannot open the state ${file}: ${reason}`, {
    hint: "check that this is a state directory of Purser, and that this user may write to it",
    cause,
  })
}
