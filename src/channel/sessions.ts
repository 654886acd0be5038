import type { Socket } from "node:net"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { errorFields, type Log } from "../base/log.ts"
import { closeGracefully, type Discardable } from "./closing.ts"

/** Keeps the open sessions of a node: limits their number and time, and closes their connections. */

export interface SessionsOptions {
  most: number
  timeoutMs: number
  log: Log
}

interface Channel {
  readonly socket: Socket
  readonly reader: Discardable
  readonly remoteAddress: string
}

export class Sessions {
  readonly #options: SessionsOptions
  /** The open connections, each with the controller that aborts its session. */
  readonly #open = new Map<Socket, AbortController>()
  /** The open connections whose session has ended, and which only wait for the peer to close. */
  readonly #closing = new Set<Socket>()
  readonly #running = new Set<Promise<void>>()

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#open.size >= this.#options.most
  }

  /**
   * Runs `session`, whose signal aborts when the connection is lost, the session times out, or all sessions are closed.
   */
  start(channel: Channel, session: (signal: AbortSignal) => Promise<void>): void {
    const { socket } = channel
    const { timeoutMs } = this.#options
    const controller = new AbortController()
    const end = (error: PurserError): void => {
      controller.abort(error)
      socket.destroy()
    }
    const timer = setTimeout(() => {
      end(new PurserError("ERR_TIMEOUT", `the session took longer than ${timeoutMs} ms`))
    }, timeoutMs)
    this.#open.set(socket, controller)
    socket.once("close", () => {
      clearTimeout(timer)
      this.#open.delete(socket)
      if (!this.#closing.delete(socket))
        controller.abort(new PurserError("ERR_UNREACHABLE", "the connection was lost"))
    })
    const running = this.#run(channel, async () => {
      try {
        await session(controller.signal)
      } finally {
        if (this.#open.has(socket)) this.#closing.add(socket)
      }
    }).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async close(): Promise<void> {
    for (const [socket, controller] of this.#open) {
      if (this.#closing.has(socket)) continue
      controller.abort(new PurserError("ERR_UNREACHABLE", "the node is closing"))
      socket.destroy()
    }
    await Promise.all(this.#running)
  }

  /** Never rejects. */
  async #run(channel: Channel, session: () => Promise<void>): Promise<void> {
    try {
      await session()
      await closeGracefully(channel.socket, channel.reader)
    } catch (error) {
      channel.socket.destroy()
      this.#options.log.error(
        `session with ${channel.remoteAddress} failed: ${reasonOf(error)}`,
        isPurserError(error) ? errorFields(error) : {},
      )
    }
  }
}
