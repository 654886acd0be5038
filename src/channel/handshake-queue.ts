import type { Socket } from "node:net"
import type { Rejection } from "./peer-check.ts"

/**
 * Connections that have not passed the pin check yet, which are all that a
 * stranger can hold open. Above the limit the oldest is dropped, never the
 * newest, so that silent strangers do not lock out the agent.
 */

export interface HandshakeQueueOptions {
  most: number
  /** The time for the whole handshake; trickling bytes do not extend it. */
  timeoutMs: number
  onRejected: (reason: Rejection, remoteAddress: string) => void
}

export interface PendingHandshake {
  readonly remoteAddress: string
  isPending(): boolean
  reject(reason: Rejection): void
}

interface Entry {
  readonly socket: Socket
  readonly remoteAddress: string
  readonly timer: NodeJS.Timeout
}

export class HandshakeQueue {
  readonly #options: HandshakeQueueOptions
  /** Keyed by the connection's two addresses, oldest first. */
  readonly #entries = new Map<string, Entry>()

  constructor(options: HandshakeQueueOptions) {
    this.#options = options
  }

  /** Adds a connection. Returns undefined if the peer has already closed it. */
  add(socket: Socket): PendingHandshake | undefined {
    socket.on("error", () => {}) // a reset; "close" follows
    const key = keyOf(socket)
    const { remoteAddress } = socket
    if (key === undefined || remoteAddress === undefined) {
      socket.destroy()
      return undefined
    }
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined && this.#entries.size >= this.#options.most) this.#reject(oldest, "dropped")
    const timer = setTimeout(() => this.#reject(key, "handshake-timeout"), this.#options.timeoutMs)
    const entry = { socket, remoteAddress, timer }
    this.#entries.set(key, entry)
    const isPending = (): boolean => this.#entries.get(key) === entry
    socket.once("close", () => {
      if (isPending()) this.#reject(key, "handshake-failed")
    })
    return {
      remoteAddress,
      isPending,
      reject: (reason) => {
        if (isPending()) this.#reject(key, reason)
      },
    }
  }

  /**
   * Removes a connection that has finished its handshake. Returns its address, or undefined if it was dropped before.
   */
  finish(socket: Socket): string | undefined {
    const key = keyOf(socket)
    const entry = key === undefined ? undefined : this.#entries.get(key)
    if (key === undefined || entry === undefined) return undefined
    this.#remove(key, entry)
    return entry.remoteAddress
  }

  close(): void {
    for (const [key, entry] of this.#entries) {
      this.#remove(key, entry)
      entry.socket.destroy()
    }
  }

  #reject(key: string, reason: Rejection): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#remove(key, entry)
    entry.socket.destroy()
    this.#options.onRejected(reason, entry.remoteAddress)
  }

  #remove(key: string, entry: Entry): void {
    clearTimeout(entry.timer)
    this.#entries.delete(key)
  }
}

/**
 * Returns a key that a TLS socket shares with the TCP socket below it, to which
 * it has no reference: the pair of addresses, which no other open connection has.
 */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  return remotePort === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
