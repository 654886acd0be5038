import { randomBytes } from "node:crypto"
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { firstHead, type AuditHead, type HeadStore } from "../audit/audit-log.ts"
import { isDigest } from "../base/digest.ts"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import type { Pin } from "../channel/pin.ts"
import { createToken } from "../channel/enrolment.ts"
import { migrate } from "./state-schema.ts"

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
  readonly pin: Pin
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
  readonly pin: Pin
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

interface Token {
  readonly token: Buffer
  readonly expires: number | null
}

interface Clocks {
  /** What the wall clock says; it may be set back or ahead at any time. */
  now: () => number
  /** Never goes back, and begins anywhere. Milliseconds, like `now`. */
  uptime: () => number
}

export class State implements HeadStore, Disposable {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #now: () => number
  readonly #uptime: () => number
  /** Written together: a round over a thousand nodes must not sync the disk a thousand times. */
  readonly #unwritten = new Map<string, Seen & { at: number; delivered: number | null }>()
  #writing: NodeJS.Timeout | undefined
  /** Pin and time of the node last seen at each address, by app: asked for at every delivery. */
  readonly #knownByApp = new Map<string, Map<string, { pin: Pin; at: number }>>()
  #knownRevision = 0
  readonly #tokensByApp = new Map<string, readonly Token[]>()
  #tokensRevision = 0
  #knownUntil = 0
  #latest = 0
  /** Uptime at which that was so, and what of it is in the database. */
  #latestAt = 0
  #latestWritten = 0
  #contentKey: Buffer | undefined

  constructor(database: DatabaseSync, { now, uptime }: Clocks) {
    this.#database = database
    this.#now = now
    this.#uptime = uptime
  }

  // Enrolment.

  /** The app's current token; makes one when there is none. */
  enrol(app: string): Buffer {
    return this.#transaction(() => this.#currentToken(app) ?? this.#addToken(app))
  }

  /** A new token; those before stay good for `overlapMs`. */
  rotateToken(app: string, overlapMs: number): Buffer {
    return this.#transaction(() => {
      // What is over stays over. From here on the clock counts as whoever rotates sees it: had it been ahead once,
      // an overlap reckoned from there would not end for years.
      this.#run("DELETE FROM tokens WHERE expires <= ?", this.#time())
      const now = this.#now()
      // To the millisecond, so that setting the clock back right after cannot stretch it.
      this.#run(setNumber, "latest", now)
      const until = now + overlapMs
      this.#run(
        "UPDATE tokens SET expires = ? WHERE app = ? AND (expires IS NULL OR expires > ?)",
        until,
        app,
        until,
      )
      return this.#addToken(app)
    })
  }

  /** Ends every token of the app at once. Resolves with how many there were. */
  revokeTokens(app: string): number {
    return this.#transaction(() => {
      this.#bumpRevision()
      return Number(this.#prepare("DELETE FROM tokens WHERE app = ?").run(app).changes)
    })
  }

  /** All that are good now, the newest first. The same buffers as long as nothing changes: keys derived from them are kept by whoever derives. */
  tokensOf(app: string): readonly Buffer[] {
    const now = this.#time()
    const tokens = this.#tokens(app)
    const good = tokens.filter(({ expires }) => expires === null || expires > now)
    if (good.length < tokens.length) {
      // Once over is over, whatever the clock says next.
      this.#run("DELETE FROM tokens WHERE app = ? AND expires <= ?", app, now)
      this.#tokensByApp.set(app, good)
    }
    return good.map(({ token }) => token)
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
        ? this.#prepare(`${selectNodes} ORDER BY app, address`).all()
        : this.#prepare(`${selectNodes} WHERE app = ? ORDER BY address`).all(app)
    return rows.map((row) => row as unknown as KnownNode)
  }

  /** The pin of the node that was last trusted at this address. */
  pinAt(app: string, address: string): Pin | undefined {
    return this.#known(app).get(address)?.pin
  }

  /** Addresses at which this app had a delivery. */
  provenAddresses(app: string): string[] {
    this.flush()
    const rows = this.#prepare("SELECT address FROM nodes WHERE app = ? AND last_delivery IS NOT NULL").all(
      app,
    )
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
    return this.#transaction(() => {
      this.#bumpRevision()
      const { changes: nodes } = this.#prepare("DELETE FROM nodes WHERE pin = ? OR address = ?").run(
        pinOrAddress,
        pinOrAddress,
      )
      const { changes: approvals } = this.#prepare("DELETE FROM approvals WHERE pin = ? OR address = ?").run(
        pinOrAddress,
        pinOrAddress,
      )
      return Number(nodes) + Number(approvals)
    })
  }

  // Approvals.

  approvalOf(app: string, pin: Pin): Approval | undefined {
    return this.#prepare("SELECT state FROM approvals WHERE app = ? AND pin = ?").get(app, pin)?.["state"] as
      Approval | undefined
  }

  /** A pin that waits for a decision. Of those at one address the newest stay. */
  askApproval(app: string, pin: Pin, address: string, name: string): void {
    this.#transaction(() => {
      this.#run(
        "INSERT INTO approvals (app, pin, address, name, state, asked) VALUES (?, ?, ?, ?, 'pending', ?) ON CONFLICT DO NOTHING",
        app,
        pin,
        address,
        name,
        this.#now(),
      )
      this.#run(tooManyPending, app, address, app, address, pin, mostPending - 1)
    })
  }

  /** Decides on a pin, for one app or for every app that it asked. Resolves with the apps. */
  decide(pin: string, decision: "approved" | "rejected", app?: string): string[] {
    return this.#transaction(() => {
      this.#bumpRevision()
      const rows = this.#prepare(
        "UPDATE approvals SET state = ? WHERE pin = ? AND (? IS NULL OR app = ?) RETURNING app",
      ).all(decision, pin, app ?? null, app ?? null)
      return rows.map((row) => String(row["app"]))
    })
  }

  /** Waiting and rejected pins, as nodes. */
  approvals(): KnownNode[] {
    const rows = this.#prepare(
      "SELECT app, address, pin, name, asked AS firstSeen, asked AS lastSeen, NULL AS lastDelivery, state, NULL AS error FROM approvals ORDER BY app, address",
    ).all()
    return rows.map((row) => row as unknown as KnownNode)
  }

  // Audit.

  readHead(): AuditHead {
    const row = this.#prepare("SELECT seq, hash, size_bytes, pending FROM audit_head").get()
    if (row === undefined) return firstHead
    const { seq, hash, size_bytes: sizeBytes, pending } = row
    if (!isDigest(hash)) throw new PurserError("ERR_STATE", "the audit head in the state database is damaged")
    return { seq: Number(seq), hash, sizeBytes: Number(sizeBytes), pending: String(pending) }
  }

  updateHead(work: (head: AuditHead) => AuditHead): void {
    this.#transaction(() => {
      const head = this.readHead()
      const next = work(head)
      if (next === head) return
      this.#run(
        "INSERT INTO audit_head (id, seq, hash, size_bytes, pending) VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, hash = excluded.hash, size_bytes = excluded.size_bytes, pending = excluded.pending",
        next.seq,
        next.hash,
        next.sizeBytes,
        next.pending,
      )
    })
  }

  contentKey(): Uint8Array {
    return (this.#contentKey ??= this.#transaction(() => {
      this.#run(
        "INSERT INTO keys (name, bytes) VALUES ('content', ?) ON CONFLICT DO NOTHING",
        randomBytes(32),
      )
      return Buffer.from(
        this.#prepare("SELECT bytes FROM keys WHERE name = 'content'").get()?.["bytes"] as Uint8Array,
      )
    }))
  }

  // The rest.

  /** Changes when a command decided something that a running agent should act on. */
  revision(): number {
    return Number(this.#prepare("SELECT value FROM numbers WHERE name = 'revision'").get()?.["value"] ?? 0)
  }

  /** Writes what was seen. */
  flush(): void {
    clearTimeout(this.#writing)
    this.#writing = undefined
    if (this.#unwritten.size === 0) return
    const seen = [...this.#unwritten.values()]
    this.#transaction(() => {
      const statement = this.#prepare(upsertNode)
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
      this.#statements.clear()
      this.#database.close()
    }
  }

  /** Read again when another process forgot nodes. */
  #known(app: string): Map<string, { pin: Pin; at: number }> {
    if (this.#now() > this.#knownUntil || this.#now() < this.#knownUntil - knownMs) {
      const revision = this.revision()
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

  /** Read again as soon as any process changed something. */
  #tokens(app: string): readonly Token[] {
    const revision = this.revision()
    if (revision !== this.#tokensRevision) this.#tokensByApp.clear()
    this.#tokensRevision = revision
    const known = this.#tokensByApp.get(app)
    if (known !== undefined) return known
    const rows = this.#prepare("SELECT token, expires FROM tokens WHERE app = ? ORDER BY id DESC").all(app)
    const tokens = rows.map(({ token, expires }) => ({
      token: Buffer.from(token as Uint8Array),
      expires: expires as number | null,
    }))
    this.#tokensByApp.set(app, tokens)
    return tokens
  }

  #currentToken(app: string): Buffer | undefined {
    const row = this.#prepare(
      "SELECT token FROM tokens WHERE app = ? AND expires IS NULL ORDER BY id DESC LIMIT 1",
    ).get(app)
    return row === undefined ? undefined : Buffer.from(row["token"] as Uint8Array)
  }

  #addToken(app: string): Buffer {
    const token = createToken()
    this.#run("INSERT INTO tokens (app, token, created) VALUES (?, ?, ?)", app, token, this.#now())
    this.#bumpRevision()
    return token
  }

  /**
   * The latest time that was seen here, and how long this process has run since: a clock that is set back, by accident
   * or to keep an old token alive, counts for nothing. One that jumps ahead ends overlaps early, which refuses and
   * never admits.
   */
  #time(): number {
    const written = Number(
      this.#prepare("SELECT value FROM numbers WHERE name = 'latest'").get()?.["value"] ?? 0,
    )
    // Only a rotation sets it back.
    if (written < this.#latestWritten) this.#latest = 0
    const uptime = Math.floor(this.#uptime())
    this.#latest = Math.max(this.#latest + uptime - this.#latestAt, written, this.#now())
    this.#latestAt = uptime
    this.#latestWritten = written
    // To the minute, so that reading a token does not mean writing.
    if (this.#latest > written + 60_000) {
      this.#run(setNumber, "latest", this.#latest)
      this.#latestWritten = this.#latest
    }
    return this.#latest
  }

  #bumpRevision(): void {
    this.#run(setNumber, "revision", this.revision() + 1)
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql)
    this.#statements.set(sql, known)
    return known
  }

  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): void {
    this.#prepare(sql).run(...values)
  }

  /** Throws `ERR_STATE` when the database cannot be written: a full disk, or another process that does not let go. */
  #transaction<T>(work: () => T): T {
    if (this.#database.isTransaction) return work()
    try {
      this.#database.exec("BEGIN IMMEDIATE")
      const result = work()
      this.#database.exec("COMMIT")
      return result
    } catch (error) {
      // SQLite has done so itself after some errors, such as a full disk.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK")
      if (systemErrorCode(error) !== "ERR_SQLITE_ERROR") throw error
      throw new PurserError("ERR_STATE", `cannot write the state: ${reasonOf(error)}`, { cause: error })
    }
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

const setNumber =
  "INSERT INTO numbers (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

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
