import type { Duplex } from "node:stream"
import { PurserError, reasonOf } from "../base/errors.ts"
import { parseJson } from "./json.ts"
import type { ChannelLimits } from "./limits.ts"

/**
 * Reads frames: JSON objects, one a line. The reader buffers at most one frame's
 * limit and what the stream had already read; further bytes wait at the peer.
 */

/** One JSON object from the peer, whose fields are not checked yet. */
export type Frame = Readonly<Record<string, unknown>>

export interface NextOptions {
  signal?: AbortSignal
  /**
   * The time from this call to the complete frame, in milliseconds. Default `frameMs`, which also limits a frame that
   * has begun.
   */
  timeoutMs?: number
}

export interface FrameReaderOptions {
  /** The hint of the error if the peer closes before its first frame. */
  closedEarlyHint?: string
  /**
   * Whether `frameMs` limits each received part and not the whole frame, for a protocol whose frames hold whole
   * secrets.
   */
  timeoutPerPart?: boolean
}

interface Waiter {
  resolve(line: Buffer): void
  reject(error: unknown): void
  /** Called when a part of the frame has arrived. */
  begun(): void
}

const newline = 0x0a
/**
 * How many parts are joined into one, and again how many of the joined ones, so that parts stay few and bytes are
 * rarely copied.
 */
const joinedParts = 16

/** Reads frames one by one. After any error but the signal's reason, every further call throws the same error. */
export class FrameReader {
  readonly #stream: Duplex
  readonly #limits: ChannelLimits
  readonly #closedEarlyHint: string | undefined
  readonly #timeoutPerPart: boolean
  /** The parts received and not yet returned. The first `#scanned` of them, `#scannedBytes` long, hold no newline. */
  #parts: Buffer[] = []
  #scanned = 0
  #scannedBytes = 0
  /** The number of scanned parts before joining. */
  #scannedParts = 0
  #bufferedBytes = 0
  #paused = false
  #frames = 0
  #waiter: Waiter | undefined
  #failure: PurserError | undefined
  #discarding = false
  #closed = false
  #cause: unknown

  /** Starts reading at once. */
  constructor(stream: Duplex, limits: ChannelLimits, options: FrameReaderOptions = {}) {
    this.#stream = stream
    this.#limits = limits
    this.#closedEarlyHint = options.closedEarlyHint
    this.#timeoutPerPart = options.timeoutPerPart === true
    stream.on("data", (part: Buffer) => this.#onData(part))
    stream.on("error", (error) => (this.#cause = error))
    stream.on("end", () => this.#onClosed())
    stream.on("close", () => this.#onClosed())
  }

  /**
   * Resolves with the next frame; one call at a time. Throws `ERR_LIMIT` (too long, too deep), `ERR_PROTOCOL` (not one
   * JSON object in UTF-8), `ERR_TIMEOUT`, `ERR_UNREACHABLE` (the connection was lost), or the signal's reason.
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

  /** Ends reading at the end of the session: further input is read and dropped, so that the stream's end is seen. */
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
    const timeoutPerPart = this.#timeoutPerPart
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    let timer: NodeJS.Timeout
    const onAbort = (): void => waiter.reject(signal?.reason)
    // Called synchronously, because another part may arrive before the promise's handlers run, and its line belongs to
    // the next call.
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
        // The deadline only moves earlier, so that trickling bytes do not extend it, unless each part has its own time.
        if (frameEndMs >= endMs && !timeoutPerPart) return
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

  /** Takes the next complete line without its newline, or returns undefined. Throws `ERR_LIMIT`. */
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

  /** Joins scanned parts, so that a peer that sends single bytes does not make us keep an object for each. */
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
