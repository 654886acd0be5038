import { randomBytes } from "node:crypto"
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { firstHead, type AuditHead, type HeadStore } from "../audit/audit-log.ts"
import { isDigest } from "../base/digest.ts"
import { PurserError, reasonOf } from "../base/errors.ts"
import type { Pin } from "../channel/pin.ts"
import { ContainerStarts } from "./container-starts.ts"
import { StateDatabase } from "./database.ts"
import { migrate } from "./schema.ts"
import { Tokens, type Clocks } from "./tokens.ts"

/**
 * What the agent must remember: enrolment tokens, the nodes it knows, which of
 * them were approved, and the head of the audit log. Commands work on it while
 * an agent runs.
 */

export type NodeState = "ok" | "failed" | "refused" | "pending" | "approved" | "rejected"

/** A node as `purser nodes ls` shows it. Times in milliseconds since 1970. */
export interface KnownNode {
  readonly app: string
  /** `host:port`. */
  readonly address: string
  /** Empty for a node that has none: it speaks FluxVault's protocol. */
  readonly pin: Pin | ""
  /** As the node calls itself. */
  readonly name: string
  readonly firstSeen: number
  readonly lastSeen: number
  readonly lastDelivery: number | null
  readonly state: NodeState
  /** Why its last delivery failed. */
  readonly error: string | null
}

export type Approval = "pending" | "approved" | "rejected"

export interface Seen {
  readonly app: string
  readonly address: string
  readonly pin: Pin | ""
  readonly name: string
  readonly state: "ok" | "failed"
  readonly error: string | null
}

/** How long what was seen may wait to be written with more. */
const writeAfterMs = 200
/** The same after it failed. */
const writeAgainMs = 5000

/** Pins that wait for approval at one address: whoever answers there with ever new ones must not fill the disk. */
const mostPending = 16

/** How long it may take until another process's `forget` counts. */
const knownMs = 500

export class State implements HeadStore, Disposable {
  /** What was delivered into containers. */
  readonly containers: ContainerStarts
  readonly #database: StateDatabase
  readonly #tokens: Tokens
  readonly #now: () => number
  /** Written together: a round over a thousand nodes must not sync the disk a thousand times. */
  readonly #unwritten = new Map<string, Seen & { at: number; delivered: number | null }>()
  #writing: NodeJS.Timeout | undefined
  /** Pin and time of the node last seen at each address, by app: asked for at every delivery. */
  readonly #knownByApp = new Map<string, Map<string, { pin: Pin | ""; at: number }>>()
  #knownRevision = 0
  #knownUntil = 0
  #contentKey: Buffer | undefined

  constructor(database: DatabaseSync, clocks: Clocks) {
    this.#database = new StateDatabase(database)
    this.#tokens = new Tokens(this.#database, clocks)
    this.containers = new ContainerStarts(this.#database)
    this.#now = clocks.now
  }

  // Enrolment.

  /** The app's current token; makes one when there is none. */
  enrol(app: string): Buffer {
    return this.#tokens.current(app)
  }

  /** A new token; those before stay good for `overlapMs`. */
  rotateToken(app: string, overlapMs: number): Buffer {
    return this.#tokens.rotate(app, overlapMs)
  }

  /** Ends every token of the app at once. Resolves with how many there were. */
  revokeTokens(app: string): number {
    return this.#tokens.revoke(app)
  }

  /** All that are good now, the newest first. The same buffers as long as nothing changes. */
  tokensOf(app: string): readonly Buffer[] {
    return this.#tokens.good(app)
  }

  // Nodes.

  /** A trusted node was served, or failed after it was trusted. */
  saw(seen: Seen): void {
    const at = this.#now()
    const key = `${seen.app} ${seen.address}`
    const delivered = seen.state === "ok" ? at : (this.#unwritten.get(key)?.delivered ?? null)
    this.#unwritten.set(key, { ...seen, at, delivered })
    this.#known(seen.app).set(seen.address, { pin: seen.pin, at })
    this.#writeLater(writeAfterMs)
  }

  /** Those that are known, by app, address. */
  nodes(app?: string): KnownNode[] {
    this.flush()
    return this.#readNodes(app)
  }

  #readNodes(app?: string): KnownNode[] {
    const rows =
      app === undefined
        ? this.#database.prepare(`${selectNodes} ORDER BY app, address`).all()
        : this.#database.prepare(`${selectNodes} WHERE app = ? ORDER BY address`).all(app)
    return rows.map((row) => row as unknown as KnownNode)
  }

  /** The pin of the node that was last trusted at this address. */
  pinAt(app: string, address: string): Pin | undefined {
    return this.#known(app).get(address)?.pin || undefined
  }

  /** Addresses at which this app had a delivery. */
  provenAddresses(app: string): string[] {
    this.flush()
    const rows = this.#database
      .prepare("SELECT address FROM nodes WHERE app = ? AND last_delivery IS NOT NULL")
      .all(app)
    return rows.map(({ address }) => String(address))
  }

  /** How many nodes of the app are known, alive or not. */
  countKnown(app: string): number {
    return this.#known(app).size
  }

  /** How many nodes of the app were seen within this time, other than the one at this address. */
  countAlive(app: string, withinMs: number, exceptAddress: string): number {
    const now = this.#now()
    let alive = 0
    for (const [address, { at }] of this.#known(app)) {
      // Times far ahead are from before the clock was set back: who lives will be seen again soon.
      if (Math.abs(now - at) < withinMs && address !== exceptAddress) alive++
    }
    return alive
  }

  /** Forgets by pin or address. Resolves with how many were forgotten. */
  forget(pinOrAddress: string): number {
    this.flush()
    return this.#database.transaction(() => {
      this.#database.bumpRevision()
      const { changes: nodes } = this.#database
        .prepare("DELETE FROM nodes WHERE pin = ? OR address = ?")
        .run(pinOrAddress, pinOrAddress)
      const { changes: approvals } = this.#database
        .prepare("DELETE FROM approvals WHERE pin = ? OR address = ?")
        .run(pinOrAddress, pinOrAddress)
      return Number(nodes) + Number(approvals)
    })
  }

  // Approvals.

  approvalOf(app: string, pin: Pin): Approval | undefined {
    return this.#database.prepare("SELECT state FROM approvals WHERE app = ? AND pin = ?").get(app, pin)?.[
      "state"
    ] as Approval | undefined
  }

  /** A pin that waits for a decision. Of those at one address the newest stay. */
  askApproval(app: string, pin: Pin, address: string, name: string): void {
    this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO approvals (app, pin, address, name, state, asked) VALUES (?, ?, ?, ?, 'pending', ?) ON CONFLICT DO NOTHING",
        app,
        pin,
        address,
        name,
        this.#now(),
      )
      this.#database.run(tooManyPending, app, address, app, address, pin, mostPending - 1)
    })
  }

  /** Decides on a pin, for one app or for every app that it asked. Resolves with the apps. */
  decide(pin: string, decision: "approved" | "rejected", app?: string): string[] {
    return this.#database.transaction(() => {
      this.#database.bumpRevision()
      const rows = this.#database
        .prepare("UPDATE approvals SET state = ? WHERE pin = ? AND (? IS NULL OR app = ?) RETURNING app")
        .all(decision, pin, app ?? null, app ?? null)
      return rows.map((row) => String(row["app"]))
    })
  }

  /** Waiting and rejected pins, as nodes. */
  approvals(): KnownNode[] {
    const rows = this.#database
      .prepare(
        "SELECT app, address, pin, name, asked AS firstSeen, asked AS lastSeen, NULL AS lastDelivery, state, NULL AS error FROM approvals ORDER BY app, address",
      )
      .all()
    return rows.map((row) => row as unknown as KnownNode)
  }

  // Audit.

  readHead(): AuditHead {
    const row = this.#database.prepare("SELECT seq, hash, size_bytes, pending FROM audit_head").get()
    if (row === undefined) return firstHead
    const { seq, hash, size_bytes: sizeBytes, pending } = row
    if (!isDigest(hash)) throw new PurserError("ERR_STATE", "the audit head in the state database is damaged")
    return { seq: Number(seq), hash, sizeBytes: Number(sizeBytes), pending: String(pending) }
  }

  updateHead(work: (head: AuditHead) => AuditHead): void {
    this.#database.transaction(() => {
      const head = this.readHead()
      const next = work(head)
      if (next === head) return
      this.#database.run(
        "INSERT INTO audit_head (id, seq, hash, size_bytes, pending) VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, hash = excluded.hash, size_bytes = excluded.size_bytes, pending = excluded.pending",
        next.seq,
        next.hash,
        next.sizeBytes,
        next.pending,
      )
    })
  }

  contentKey(): Uint8Array {
    return (this.#contentKey ??= this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO keys (name, bytes) VALUES ('content', ?) ON CONFLICT DO NOTHING",
        randomBytes(32),
      )
      return Buffer.from(
        this.#database.prepare("SELECT bytes FROM keys WHERE name = 'content'").get()?.[
          "bytes"
        ] as Uint8Array,
      )
    }))
  }

  // The rest.

  /** Changes when a command decided something that a running agent should act on. */
  revision(): number {
    return this.#database.revision()
  }

  /** Writes what was seen. */
  flush(): void {
    clearTimeout(this.#writing)
    this.#writing = undefined
    if (this.#unwritten.size === 0) return
    const seen = [...this.#unwritten.values()]
    this.#database.transaction(() => {
      const statement = this.#database.prepare(upsertNode)
      for (const { app, address, pin, name, state, error, at, delivered } of seen)
        statement.run(app, address, pin, name, at, at, delivered, state, error)
    })
    this.#unwritten.clear()
  }

  #writeLater(ms: number): void {
    this.#writing ??= setTimeout(() => {
      try {
        this.flush()
      } catch {
        // A full disk, say. The audit log says it loudly; what was seen is not lost by it.
        this.#writeLater(writeAgainMs)
      }
    }, ms)
  }

  [Symbol.dispose](): void {
    if (!this.#database.isOpen) return
    try {
      this.flush()
    } finally {
      this.#database.close()
    }
  }

  /** Read again when another process forgot nodes. */
  #known(app: string): Map<string, { pin: Pin | ""; at: number }> {
    if (this.#now() > this.#knownUntil || this.#now() < this.#knownUntil - knownMs) {
      const revision = this.#database.revision()
      if (revision !== this.#knownRevision) this.#knownByApp.clear()
      this.#knownRevision = revision
      this.#knownUntil = this.#now() + knownMs
    }
    const known = this.#knownByApp.get(app)
    if (known !== undefined) return known
    const read = new Map(this.#readNodes(app).map(({ address, pin, lastSeen: at }) => [address, { pin, at }]))
    for (const { app: of, address, pin, at } of this.#unwritten.values())
      if (of === app) read.set(address, { pin, at })
    this.#knownByApp.set(app, read)
    return read
  }
}

const selectNodes =
  "SELECT app, address, pin, name, first_seen AS firstSeen, last_seen AS lastSeen, last_delivery AS lastDelivery, state, error FROM nodes"

const upsertNode = `
INSERT INTO nodes (app, address, pin, name, first_seen, last_seen, last_delivery, state, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (app, address) DO UPDATE SET
  first_seen = CASE WHEN pin = excluded.pin THEN first_seen ELSE excluded.first_seen END,
  pin = excluded.pin, name = excluded.name, last_seen = excluded.last_seen,
  last_delivery = coalesce(excluded.last_delivery, last_delivery), state = excluded.state, error = excluded.error`

const tooManyPending = `
DELETE FROM approvals WHERE app = ? AND address = ? AND state = 'pending' AND pin IN (
  SELECT pin FROM approvals WHERE app = ? AND address = ? AND state = 'pending' AND pin <> ?
  ORDER BY asked DESC, pin LIMIT -1 OFFSET ?)`

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
