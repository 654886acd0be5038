import type { Writable } from "node:stream"
import { untilAborted } from "../base/abort.ts"
import { PurserError } from "../base/errors.ts"
import { isDeeper } from "./json.ts"
import type { ChannelLimits } from "./limits.ts"

export interface WriteOptions {
  signal?: AbortSignal
}

/** How many bytes of a long frame are written at a time. */
const pieceBytes = 65_536

export class FrameWriter {
  readonly #stream: Writable
  readonly #limits: ChannelLimits
  #corked = false
  #draining: Promise<void> | undefined

  constructor(stream: Writable, limits: ChannelLimits) {
    this.#stream = stream
    this.#limits = limits
  }

  /**
   * Writes a frame and resolves once the stream accepts more, which is at once while the peer reads. Frames written in
   * one turn of the event loop are sent in one piece. Frames of more than 64 KiB need one call at a time. Throws
   * `ERR_LIMIT` (the frame is too long or too deep for the peer), `ERR_TIMEOUT` (the peer read nothing for `frameMs`),
   * `ERR_UNREACHABLE` (the connection was lost), or the signal's reason.
   */
  async write(frame: object, { signal }: WriteOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const line = Buffer.from(`${JSON.stringify(frame)}\n`, "utf8")
    const { frameBytes, depth } = this.#limits
    if (line.length > frameBytes) {
      throw new PurserError("ERR_LIMIT", `a frame of ${line.length} bytes is longer than ${frameBytes}`)
    }
    if (isDeeper(line, depth))
      throw new PurserError("ERR_LIMIT", `a frame is nested deeper than ${depth} levels`)
    // Written in pieces, because the time limit applies to each piece: a slow peer may take long for a long frame.
    for (let at = 0; at < line.length; at += pieceBytes) {
      if (!this.#stream.writable) throw lostWhileWriting()
      this.#cork()
      if (!this.#stream.write(line.subarray(at, at + pieceBytes))) await this.#drained(signal)
    }
  }

  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#stream.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#stream.uncork()
    })
  }

  async #drained(signal: AbortSignal | undefined): Promise<void> {
    this.#draining ??= this.#waitForDrain()
    await (signal === undefined ? this.#draining : untilAborted(this.#draining, signal))
  }

  #waitForDrain(): Promise<void> {
    const { frameMs } = this.#limits
    const stream = this.#stream
    return new Promise<void>((resolve, reject) => {
      const settle = (end: () => void) => (): void => {
        clearTimeout(timer)
        stream.off("drain", onDrain).off("close", onClose)
        this.#draining = undefined
        end()
      }
      const onDrain = settle(resolve)
      const onClose = settle(() => reject(lostWhileWriting()))
      const timer = setTimeout(
        settle(() => reject(new PurserError("ERR_TIMEOUT", `the peer read nothing for ${frameMs} ms`))),
        frameMs,
      )
      stream.on("drain", onDrain).on("close", onClose)
    })
  }
}

function lostWhileWriting(): PurserError {
  return new PurserError("ERR_UNREACHABLE", "the connection was lost")
}
