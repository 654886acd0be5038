import type { Socket } from "node:net"
import { Transform } from "node:stream"
import { FrameReader, type FrameReaderOptions } from "../frames.ts"
import type { ChannelLimits } from "../limits.ts"

const newline = 0x0a
const space = 0x20
const backslash = 0x5c
const quoteMark = 0x22
const openers = [0x7b, 0x5b]
const closers = [0x7d, 0x5d]

/**
 * Gives every JSON object a line of its own. Not every message of this protocol
 * ends in a newline, so their ends are found by their brackets; whether what
 * stands between is JSON is for the reader of the lines to say.
 */
export class JsonLines extends Transform {
  #level = 0
  #inString = false
  #escaped = false

  override _transform(part: Buffer, _encoding: string, callback: (error: null, lines: Buffer) => void): void {
    const lines = Buffer.allocUnsafe(part.length * 2)
    let length = 0
    for (const byte of part) {
      const isBlank = !this.#inString && (byte === space || (byte >= 0x09 && byte <= 0x0d))
      if (isBlank && this.#level <= 0) continue
      if (!isBlank) this.#step(byte)
      lines[length++] = isBlank ? space : byte
      // Also after a byte that stands outside of every object, and makes a line that is none.
      if (this.#level <= 0) lines[length++] = newline
    }
    callback(null, lines.subarray(0, length))
  }

  #step(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === quoteMark) this.#inString = !this.#inString
    else if (this.#inString) this.#escaped = byte === backslash
    else if (openers.includes(byte)) this.#level++
    else if (closers.includes(byte)) this.#level--
  }
}

/** Reads a connection object by object. `limits` is looked at anew for each. */
export function readObjects(
  socket: Socket,
  limits: ChannelLimits,
  options?: FrameReaderOptions,
): FrameReader {
  const lines = new JsonLines()
  socket.on("error", (error) => lines.destroy(error))
  // What came before a proper end is still to be read.
  socket.on("close", () => void (socket.readableEnded || lines.destroy()))
  return new FrameReader(socket.pipe(lines), limits, options)
}
