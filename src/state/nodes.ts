import type { Pin } from "../channel/pin.ts"
import type { Sqlite } from "../base/sqlite.ts"
import type { Clocks } from "./latest-time.ts"
import { listNodes, listNodesOfApp } from "./queries/list-nodes.ts"
import { upsertNode } from "./queries/upsert-node.ts"
import { Revision } from "./revision.ts"

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

export interface NodeSighting {
  readonly app: string
  readonly address: string
  readonly pin: Pin | ""
  readonly name: string
  readonly state: "ok" | "failed"
  readonly error: string | null
}

/** A sighting may wait this long to be written together with others. */
const writeAfterMs = 200
/** The same after a write that failed. */
const writeAgainMs = 5000

/** It may take this long until a `forget` of another process counts. */
const knownMs = 500

interface Sighted {
  readonly pin: Pin | ""
  readonly at: number
}

/** The nodes that were trusted once. Sightings are known at once and written a little later. */
export class NodeStore implements Disposable {
  readonly #database: Sqlite
  readonly #revision: Revision
  readonly #now: () => number
  /** Written together: a round over a thousand nodes must not sync the disk a thousand times. */
  readonly #unwritten = new Map<string, NodeSighting & { at: number; delivered: number | null }>()
  #writing: NodeJS.Timeout | undefined
  /** The node last seen at each address, by app: asked for at every delivery. */
  readonly #knownByApp = new Map<string, Map<string, Sighted>>()
  #knownRevision = 0
  #knownUntil = 0

  constructor(database: Sqlite, { now }: Pick<Clocks, "now">) {
    this.#database = database
    this.#revision = new Revision(database)
    this.#now = now
  }

  /** A trusted node was served, or failed after it was trusted. */
  record(sighting: NodeSighting): void {
    const at = this.#now()
    const key = `${sighting.app} ${sighting.address}`
    const delivered = sighting.state === "ok" ? at : (this.#unwritten.get(key)?.delivered ?? null)
    this.#unwritten.set(key, { ...sighting, at, delivered })
    this.#known(sighting.app).set(sighting.address, { pin: sighting.pin, at })
    this.#writeLater(writeAfterMs)
  }

  /** Those of one app or of all, by app and address. */
  list(app?: string): KnownNode[] {
    this.flush()
    return this.#read(app)
  }

  /** The pin of the node that was last trusted at this address. */
  pinAt(app: string, address: string): Pin | undefined {
    return this.#known(app).get(address)?.pin || undefined
  }

  /** Addresses at which this app had a delivery. */
  provenAddresses(app: string): string[] {
    this.flush()
    const sql = "SELECT address FROM nodes WHERE app = ? AND last_delivery IS NOT NULL"
    return this.#database.all<{ address: string }>(sql, app).map(({ address }) => address)
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
      // Times far ahead are from before the clock was set back: a living node will be seen again soon.
      if (Math.abs(now - at) < withinMs && address !== exceptAddress) alive++
    }
    return alive
  }

  /** Returns how many there were of this pin or at this address. */
  delete(pinOrAddress: string): number {
    this.flush()
    return this.#database.run("DELETE FROM nodes WHERE ?1 IN (pin, address)", pinOrAddress)
  }

  /** Writes all sightings that wait. */
  flush(): void {
    clearTimeout(this.#writing)
    this.#writing = undefined
    if (this.#unwritten.size === 0) return
    this.#database.transaction(() => {
      for (const { app, address, pin, name, state, error, at, delivered } of this.#unwritten.values())
        this.#database.run(upsertNode, app, address, pin, name, at, at, delivered, state, error)
    })
    this.#unwritten.clear()
  }

  [Symbol.dispose](): void {
    this.flush()
  }

  #writeLater(ms: number): void {
    this.#writing ??= setTimeout(() => {
      try {
        this.flush()
      } catch {
        // A full disk, say. The audit log says it loudly; the sightings are not lost by it.
        this.#writeLater(writeAgainMs)
      }
    }, ms)
  }

  #read(app?: string): KnownNode[] {
    return app === undefined
      ? this.#database.all<KnownNode>(listNodes)
      : this.#database.all<KnownNode>(listNodesOfApp, app)
  }

  /** Read again after another process changed the revision, by forgetting nodes for example. */
  #known(app: string): Map<string, Sighted> {
    if (this.#now() > this.#knownUntil || this.#now() < this.#knownUntil - knownMs) {
      const revision = this.#revision.get()
      if (revision !== this.#knownRevision) this.#knownByApp.clear()
      this.#knownRevision = revision
      this.#knownUntil = this.#now() + knownMs
    }
    const known = this.#knownByApp.get(app)
    if (known !== undefined) return known
    const read = new Map(this.#read(app).map(({ address, pin, lastSeen: at }) => [address, { pin, at }]))
    for (const { app: of, address, pin, at } of this.#unwritten.values())
      if (of === app) read.set(address, { pin, at })
    this.#knownByApp.set(app, read)
    return read
  }
}
