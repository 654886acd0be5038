import type { Duplex } from "node:stream"
import { PurserError, reasonOf } from "../base/errors.ts"
import { parseJson } from "./json.ts"
import type { ChannelLimits } from "./limits.ts"

/**
 * Frames: JSON objects, one a line. The reader holds no more than one frame's
 * limit and what the stream had already read; everything beyond waits at the
 * peer.
 */

/** One JSON object; what stands in it is the peer's and not yet checked. */
export type Frame = Readonly<Record<string, unknown>>

export interface NextOptions {
  signal?: AbortSignal
  /** From this call to the whole frame, in milliseconds. Default `frameMs`, which is also the most that a frame that has begun may take. */
  timeoutMs?: number
}

export interface FrameReaderOptions {
  /** What to look at when the peer closes before its first frame. */
  closedEarlyHint?: string
  /** `frameMs` is for each part of a frame, not for the whole: where a frame holds a whole secret, and may take as long as the session. */
  patient?: boolean
}

interface Waiter {
  resolve(line: Buffer): void
  reject(error: unknown): void
  /** The peer has begun a frame. */
  begun(): void
}

const newline = 0x0a
/** So many parts are joined to one, and so many of those again: no byte is copied often, and there are never many parts. */
const joinedParts = 16

/** After any error but the signal's own, the reader stays failed with it. */
export class FrameReader {
  readonly #stream: Duplex
  readonly #limits: ChannelLimits
  readonly #closedEarlyHint: string | undefined
  readonly #patient: boolean
  /** What was received and not taken. The first `#scanned` parts, of `#scannedBytes`, hold no newline. */
  #parts: Buffer[] = []
  #scanned = 0
  #scannedBytes = 0
  /** Before any were joined. */
  #scannedParts = 0
  #bufferedBytes = 0
  #paused = false
  #frames = 0
  #waiter: Waiter | undefined
  #failure: PurserError | undefined
  #discarding = false
  #closed = false
  #cause: unknown

  /** Starts to read at once. */
  constructor(stream: Duplex, limits: ChannelLimits, options: FrameReaderOptions = {}) {
    this.#stream = stream
    this.#limits = limits
    this.#closedEarlyHint = options.closedEarlyHint
    this.#patient = options.patient === true
    stream.on("data", (part: Buffer) => this.#onData(part))
    stream.on("error", (error) => (this.#cause = error))
    stream.on("end", () => this.#onClosed())
    stream.on("close", () => this.#onClosed())
  }

  /**
   * The next frame. Throws `ERR_LIMIT` (too long, too deep), `ERR_PROTOCOL` (not one JSON object in UTF-8),
   * `ERR_TIMEOUT`, `ERR_UNREACHABLE` (connection lost), or the signal's reason. One call at a time.
   */
  async next(options: NextOptions = {}): Promise<Frame> {
    if (this.#waiter !== undefined) throw new TypeError("next() is already waiting")
    options.signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#discarding) throw this.#lost()
    try {
      const line = this.#takeLine() ?? (await this.#waitForLine(options))
      const frame = asFrame(parseJson(line, this.#limits.depth, "a frame"))
      this.#frames++
      return frame
    } catch (error) {
      if (error instanceof PurserError) this.#fail(error)
      throw error
    }
  }

  /** The session is over: reads and forgets whatever else comes, so that the stream's end is seen. */
  discard(): void {
    this.#discarding = true
    this.#parts = []
    this.#bufferedBytes = 0
    this.#stream.resume()
  }

  #onData(part: Buffer): void {
    if (this.#discarding) return
    this.#parts.push(part)
    this.#bufferedBytes += part.length
    if (this.#waiter !== undefined) this.#serve(this.#waiter)
    if (this.#bufferedBytes >= this.#limits.frameBytes && !this.#paused) {
      this.#paused = true
      this.#stream.pause()
    }
  }

  #serve(waiter: Waiter): void {
    try {
      const line = this.#takeLine()
      if (line === undefined) waiter.begun()
      else waiter.resolve(line)
    } catch (error) {
      waiter.reject(error)
    }
  }

  #onClosed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiter?.reject(this.#lost())
  }

  #fail(error: PurserError): void {
    this.#failure ??= error
    this.discard()
  }

  #lost(): PurserError {
    const inside = this.#bufferedBytes > 0 ? " in the middle of a frame" : ""
    const early = this.#frames === 0 ? " before the first frame" : ""
    const reason = this.#cause === undefined ? "" : `: ${reasonOf(this.#cause)}`
    return new PurserError("ERR_UNREACHABLE", `the connection was lost${inside || early}${reason}`, {
      hint: early === "" ? undefined : this.#closedEarlyHint,
      cause: this.#cause,
    })
  }

  async #waitForLine({ signal, timeoutMs = this.#limits.frameMs }: NextOptions): Promise<Buffer> {
    if (this.#closed) throw this.#lost()
    const { frameMs } = this.#limits
    const patient = this.#patient
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    let timer: NodeJS.Timeout
    const onAbort = (): void => waiter.reject(signal?.reason)
    // At once, not when the promise is seen: the next part may come before that, and its line is for the next call.
    const over = (): void => {
      this.#waiter = undefined
      clearTimeout(timer)
      signal?.removeEventListener("abort", onAbort)
    }
    const start = (limitMs: number): void => {
      timer = setTimeout(() => waiter.reject(tooSlow(limitMs)), limitMs)
    }
    let endMs = performance.now() + timeoutMs
    const waiter: Waiter = {
      resolve(line) {
        over()
        resolve(line)
      },
      reject(error) {
        over()
        reject(error as Error)
      },
      begun() {
        const frameEndMs = performance.now() + frameMs
        // The end can only come nearer, unless we are patient: bytes that trickle in do not move it away.
        if (frameEndMs >= endMs && !patient) return
        endMs = frameEndMs
        clearTimeout(timer)
        start(frameMs)
      },
    }
    start(timeoutMs)
    if (this.#bufferedBytes > 0) waiter.begun()
    signal?.addEventListener("abort", onAbort, { once: true })
    this.#waiter = waiter
    return await promise
  }

  /** The next whole line without its newline, or undefined. Throws `ERR_LIMIT`. */
  #takeLine(): Buffer | undefined {
    const { frameBytes } = this.#limits
    for (let part = this.#parts[this.#scanned]; part !== undefined; part = this.#parts[this.#scanned]) {
      const at = part.indexOf(newline)
      const lengthBytes = this.#scannedBytes + (at === -1 ? part.length : at + 1)
      if (lengthBytes > frameBytes || (at === -1 && lengthBytes === frameBytes)) {
        throw new PurserError("ERR_LIMIT", `a frame is longer than ${frameBytes} bytes`)
      }
      if (at !== -1) return this.#cut(part, at, lengthBytes)
      this.#scanned++
      this.#scannedBytes = lengthBytes
      this.#join(++this.#scannedParts)
    }
    return undefined
  }

  /** A peer that sends single bytes must not make us keep an object for each. */
  #join(count: number): void {
    for (let left = count; left % joinedParts === 0; left /= joinedParts) {
      this.#scanned -= joinedParts
      const joined = Buffer.concat(this.#parts.slice(this.#scanned, this.#scanned + joinedParts))
      this.#parts.splice(this.#scanned++, joinedParts, joined)
    }
  }

  #cut(last: Buffer, at: number, lengthBytes: number): Buffer {
    const head = last.subarray(0, at)
    const line = this.#scanned === 0 ? head : Buffer.concat([...this.#parts.slice(0, this.#scanned), head])
    const rest = last.subarray(at + 1)
    this.#parts.splice(0, this.#scanned + 1, ...(rest.length === 0 ? [] : [rest]))
    this.#scanned = 0
    this.#scannedBytes = 0
    this.#scannedParts = 0
    this.#bufferedBytes -= lengthBytes
    if (this.#paused && this.#bufferedBytes < this.#limits.frameBytes) {
      this.#paused = false
      this.#stream.resume()
    }
    return line
  }
}

function asFrame(value: unknown): Frame {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Frame
  throw new PurserError("ERR_PROTOCOL", "a frame is not a JSON object")
}

function tooSlow(limitMs: number): PurserError {
  return new PurserError("ERR_TIMEOUT", `the peer sent no whole frame within ${limitMs} ms`)
}
