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
  /** The address as `host:port`. */
  readonly address: string
  /** Empty for a node with FluxVault's protocol, which has no pin. */
  readonly pin: Pin | ""
  /** The name that the node gives itself. */
  readonly name: string
  readonly firstSeen: number
  readonly lastSeen: number
  readonly lastDelivery: number | null
  readonly state: NodeState
  /** The reason why its last delivery failed, or null. */
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

/** How long a sighting waits to be written together with others, in milliseconds. */
const writeAfterMs = 200
/** How long it waits after a failed write, in milliseconds. */
const writeAgainMs = 5000

/** How long the known nodes are cached, in milliseconds: the delay until a `forget` of another process takes effect. */
const knownMs = 500

interface LastSighting {
  readonly pin: Pin | ""
  readonly at: number
}

/** The nodes that have been trusted. A sighting is visible at once, and written a little later. */
export class NodeStore implements Disposable {
  readonly #database: Sqlite
  readonly #revision: Revision
  readonly #now: () => number
  /**
   * The sightings to be written, together so that a round over a thousand nodes does not sync the disk a thousand
   * times.
   */
  readonly #unwritten = new Map<string, NodeSighting & { at: number; delivered: number | null }>()
  #writing: NodeJS.Timeout | undefined
  /** The last sighting at each address, by app. Cached because every delivery reads it. */
  readonly #knownByApp = new Map<string, Map<string, LastSighting>>()
  #knownRevision = 0
  #knownUntil = 0

  constructor(database: Sqlite, { now }: Pick<Clocks, "now">) {
    this.#database = database
    this.#revision = new Revision(database)
    this.#now = now
  }

  /** Records that a trusted node was served, or failed after it was trusted. */
  record(sighting: NodeSighting): void {
    const at = this.#now()
    const key = `${sighting.app} ${sighting.address}`
    const delivered = sighting.state === "ok" ? at : (this.#unwritten.get(key)?.delivered ?? null)
    this.#unwritten.set(key, { ...sighting, at, delivered })
    this.#known(sighting.app).set(sighting.address, { pin: sighting.pin, at })
    this.#writeLater(writeAfterMs)
  }

  /** Returns the nodes of one app or of all, sorted by app and address. */
  list(app?: string): KnownNode[] {
    this.flush()
    return this.#read(app)
  }

  /** Returns the pin of the node that was last trusted at this address. */
  pinAt(app: string, address: string): Pin | undefined {
    return this.#known(app).get(address)?.pin || undefined
  }

  /** Returns the addresses at which this app had a successful delivery. */
  provenAddresses(app: string): string[] {
    this.flush()
    const sql = "SELECT address FROM nodes WHERE app = ? AND last_delivery IS NOT NULL"
    return this.#database.all<{ address: string }>(sql, app).map(({ address }) => address)
  }

  /** Returns the number of known nodes of the app, alive or not. */
  countKnown(app: string): number {
    return this.#known(app).size
  }

  /** Returns the number of nodes of the app that were seen within this time, without the one at `exceptAddress`. */
  countAlive(app: string, withinMs: number, exceptAddress: string): number {
    const now = this.#now()
    let alive = 0
    for (const [address, { at }] of this.#known(app)) {
      // A time far ahead was recorded before the clock was set back. It does not count, because a living node is soon
      // seen again.
      if (Math.abs(now - at) < withinMs && address !== exceptAddress) alive++
    }
    return alive
  }

  /** Deletes the nodes with this pin or at this address. Returns their number. */
  delete(pinOrAddress: string): number {
    this.flush()
    return this.#database.run("DELETE FROM nodes WHERE ?1 IN (pin, address)", pinOrAddress)
  }

  /** Writes all unwritten sightings. */
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
        // A full disk, for example. The audit log reports it, and the sightings are kept for the next attempt.
        this.#writeLater(writeAgainMs)
      }
    }, ms)
  }

  #read(app?: string): KnownNode[] {
    return app === undefined
      ? this.#database.all<KnownNode>(listNodes)
      : this.#database.all<KnownNode>(listNodesOfApp, app)
  }

  /**
   * Returns the last sightings of an app. They are read again after another process changed the revision, for example
   * by `forget`.
   */
  #known(app: string): Map<string, LastSighting> {
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
