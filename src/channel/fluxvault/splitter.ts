import { PurserError } from "../../base/errors.ts"

const quoteMark = 0x22
const backslash = 0x5c
const openers = new Set([0x5b, 0x7b])
const closers = new Set([0x5d, 0x7d])
const brace = 0x7b
const blanks = new Set([0x20, 0x09, 0x0a, 0x0d])

/**
 * Cuts a stream into JSON objects by their brackets, since not every message of
 * this protocol ends in a newline. Whether what it cuts out is JSON is for the
 * parser to say. Holds no more than one unfinished message of `maxBytes`.
 */
export class JsonSplitter {
  /** Whole messages, in their order, for whoever takes them. */
  readonly ready: Buffer[] = []
  maxBytes: number
  /** The unfinished message: the first `#length` bytes. */
  #buffer = Buffer.alloc(1024)
  #length = 0
  #level = 0
  #inString = false
  #escaped = false

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#length > 0 || this.#level > 0
  }

  /** Throws `ERR_PROTOCOL` where no object begins, `ERR_LIMIT` for one that is too long; what was whole before that is `ready`. */
  push(part: Buffer): void {
    let from = 0
    for (let at = 0; at < part.length; at++) {
      const byte = part[at] ?? 0
      if (this.#level === 0) {
        from = at
        if (blanks.has(byte)) continue
        if (byte !== brace)
          throw new PurserError("ERR_PROTOCOL", "the peer sent something that is no JSON object")
      }
      this.#step(byte)
      if (this.#level > 0) continue
      this.#keep(part.subarray(from, at + 1))
      this.ready.push(Buffer.from(this.#buffer.subarray(0, this.#length)))
      this.#length = 0
    }
    if (this.#level > 0) this.#keep(part.subarray(from))
  }

  #step(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (this.#inString) {
      if (byte === backslash) this.#escaped = true
      else if (byte === quoteMark) this.#inString = false
    } else if (byte === quoteMark) this.#inString = true
    else if (openers.has(byte)) this.#level++
    else if (closers.has(byte)) this.#level--
  }

  #keep(bytes: Buffer): void {
    const length = this.#length + bytes.length
    if (length > this.maxBytes)
      throw new PurserError("ERR_LIMIT", `a message is longer than ${this.maxBytes} bytes`)
    if (length > this.#buffer.length) {
      // Twice as long each time: a peer that sends single bytes must not make us copy all for each.
      const larger = Buffer.alloc(Math.max(length, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    bytes.copy(this.#buffer, this.#length)
    this.#length = length
  }
}
