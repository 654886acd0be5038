import type { Socket } from "node:net"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { errorFields, type Log } from "../base/log.ts"
import { closeGracefully, type Discarding } from "./closing.ts"

/** Open sessions of a node: their number, their time, and how they end. */

export interface SessionsOptions {
  most: number
  timeoutMs: number
  log: Log
}

interface Channel {
  readonly socket: Socket
  readonly reader: Discarding
  readonly remoteAddress: string
}

export class Sessions {
  readonly #options: SessionsOptions
  /** By connection; with what has to end before the session has. */
  readonly #open = new Map<Socket, AbortController>()
  /** Of the open ones, those that have said all and only wait for the peer to close. */
  readonly #over = new Set<Socket>()
  readonly #running = new Set<Promise<void>>()

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#open.size >= this.#options.most
  }

  /** Runs `session`, whose signal is aborted when the connection is lost, its time is up, or all are closed. */
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
      if (!this.#over.delete(socket))
        controller.abort(new PurserError("ERR_UNREACHABLE", "the connection was lost"))
    })
    const running = this.#run(channel, async () => {
      try {
        await session(controller.signal)
      } finally {
        if (this.#open.has(socket)) this.#over.add(socket)
      }
    }).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async close(): Promise<void> {
    for (const [socket, controller] of this.#open) {
      if (this.#over.has(socket)) continue
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
