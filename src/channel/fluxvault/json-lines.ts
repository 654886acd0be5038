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
 * Puts every JSON object on a line of its own. Its end is found by brackets,
 * because not every message of this protocol ends in a newline. The reader of
 * the lines checks whether each is JSON.
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
      // A byte outside of every object also becomes a line, which the reader refuses.
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

/** Reads a connection object by object. `limits` is read again for each object, so the caller may change it. */
export function readObjects(
  socket: Socket,
  limits: ChannelLimits,
  options?: FrameReaderOptions,
): FrameReader {
  const lines = new JsonLines()
  socket.on("error", (error) => lines.destroy(error))
  // After a proper end, the objects already received must still be read.
  socket.on("close", () => void (socket.readableEnded || lines.destroy()))
  return new FrameReader(socket.pipe(lines), limits, options)
}
