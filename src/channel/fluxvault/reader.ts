import type { Socket } from "node:net"
import { PurserError, reasonOf } from "../../base/errors.ts"
import type { Frame } from "../frames.ts"
import { parseJson } from "../json.ts"
import { JsonSplitter } from "./splitter.ts"

export interface NextOptions {
  signal?: AbortSignal
  /** For the whole message, in milliseconds: bytes that trickle in do not move it. */
  timeoutMs: number
}

/** Messages are flat objects. */
const depth = 4

/** Reads message by message; what the peer sends ahead of them waits. After an error of the peer's it stays failed. */
export class MessageReader {
  readonly #socket: Socket
  readonly #splitter: JsonSplitter
  #wake: (() => void) | undefined
  #failure: unknown
  #discarding = false

  constructor(socket: Socket, maxBytes: number) {
    this.#socket = socket
    this.#splitter = new JsonSplitter(maxBytes)
    const fail = (error: PurserError): void => {
      this.#failure ??= error
      this.#wake?.()
    }
    let cause: unknown
    socket.on("data", (part: Buffer) => {
      if (this.#discarding) return
      try {
        this.#splitter.push(part)
        if (this.#splitter.ready.length === 0) return
        socket.pause()
        this.#wake?.()
      } catch (error) {
        fail(error as PurserError)
      }
    })
    socket.on("error", (error) => (cause = error))
    const onClosed = (): void => {
      const inside = this.#splitter.isInside ? " in the middle of a message" : ""
      const reason = cause === undefined ? "" : `: ${reasonOf(cause)}`
      fail(new PurserError("ERR_UNREACHABLE", `the connection was lost${inside}${reason}`, { cause }))
    }
    socket.on("end", onClosed).on("close", onClosed)
  }

  /** From here on a message may have this many bytes. */
  set maxBytes(bytes: number) {
    this.#splitter.maxBytes = bytes
  }

  /**
   * The next message. Throws `ERR_LIMIT` (too long, too deep), `ERR_PROTOCOL` (not a JSON object), `ERR_TIMEOUT`,
   * `ERR_UNREACHABLE`, or the signal's reason. One call at a time.
   */
  async next({ signal, timeoutMs }: NextOptions): Promise<Frame> {
    signal?.throwIfAborted()
    const { ready } = this.#splitter
    const message = ready.shift() ?? (await this.#wait(signal, timeoutMs))
    if (ready.length === 0) this.#socket.resume()
    return parseJson(message, depth, "a message") as Frame
  }

  /** The session is over: reads and forgets whatever else comes, so that the stream's end is seen. */
  discard(): void {
    this.#discarding = true
    this.#socket.resume()
  }

  #wait(signal: AbortSignal | undefined, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#wake = undefined
        clearTimeout(timer)
        signal?.removeEventListener("abort", onAbort)
        act()
      }
      const onAbort = (): void => settle(() => reject(signal?.reason))
      const timer = setTimeout(() => {
        settle(() =>
          reject(new PurserError("ERR_TIMEOUT", `the peer sent no whole message within ${timeoutMs} ms`)),
        )
      }, timeoutMs)
      this.#wake = () => {
        const message = this.#splitter.ready.shift()
        if (message !== undefined) settle(() => resolve(message))
        else if (this.#failure !== undefined) settle(() => reject(this.#failure))
      }
      signal?.addEventListener("abort", onAbort, { once: true })
      this.#wake()
    })
  }
}
