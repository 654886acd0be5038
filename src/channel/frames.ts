import type { Duplex, Writable } from "node:stream"
import type { ChannelLimits } from "./limits.ts"

/** One JSON object; what stands in it is the peer's and not yet checked. */
export type Frame = Readonly<Record<string, unknown>>

export interface NextOptions {
  signal?: AbortSignal
  /** From this call to the whole frame, in milliseconds. Default `frameMs`. A frame that has begun has `frameMs` at most. */
  timeoutMs?: number
}

/** After any error the reader stays failed with it. */
export class FrameReader {
  constructor(_stream: Duplex, _limits: ChannelLimits) {}

  /** The next frame. Throws `ERR_LIMIT`, `ERR_PROTOCOL`, `ERR_TIMEOUT`, `ERR_UNREACHABLE`, or the signal's reason. */
  next(_options: NextOptions = {}): Promise<Frame> {
    throw new Error("not written yet")
  }
}

export class FrameWriter {
  constructor(_stream: Writable, _limits: ChannelLimits) {}

  /** Resolves once the stream takes more. Small frames written in one turn leave together. Throws `ERR_LIMIT`, `ERR_TIMEOUT` (`frameMs`), `ERR_UNREACHABLE`, or the signal's reason. */
  write(_frame: object, _options: { signal?: AbortSignal } = {}): Promise<void> {
    throw new Error("not written yet")
  }
}
