import type { Socket } from "node:net"
import type { Rejection } from "./peer-check.ts"

/**
 * Connections that are not yet through the pin check: all that a stranger can
 * hold. When there are too many the oldest goes, never the newest, so that
 * strangers who say nothing lock nobody out.
 */

export interface HandshakeQueueOptions {
  most: number
  /** For the whole handshake: bytes that trickle in do not move it. */
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
  /** By the connection's two addresses, oldest first. */
  readonly #entries = new Map<string, Entry>()

  constructor(options: HandshakeQueueOptions) {
    this.#options = options
  }

  /** Undefined when the peer has already gone. */
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

  /** The connection has finished its handshake: it is no longer pending. Returns its address, or undefined when it was dropped. */
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
 * A TLS socket does not say which TCP socket it was made of, but both give the
 * same pair of addresses, which no other open connection has.
 */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  return remotePort === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
