import { inspect } from "node:util"
import { digestOf, type Digest } from "./digest.ts"

/**
 * Bytes that must not be shown by accident. Printing, logging, interpolating or
 * serialising a secret gives `[secret]`; only `.reveal()` returns the bytes.
 */
export class Secret {
  readonly #bytes: Buffer
  #digest: Digest | undefined

  /** Takes over `bytes`: the caller must not write to them afterwards. Text is stored as UTF-8. */
  constructor(bytes: Uint8Array | string) {
    this.#bytes =
      typeof bytes === "string"
        ? Buffer.from(bytes, "utf8")
        : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  /**
   * The SHA-256 of the content, for comparisons. It may never be logged, because a short secret can be guessed from it.
   */
  get digest(): Digest {
    return (this.#digest ??= digestOf(this.#bytes))
  }

  /** Returns the bytes themselves, not a copy; the caller must not write to them. */
  reveal(): Buffer {
    return this.#bytes
  }

  /** Returns the bytes as UTF-8 text. */
  revealText(): string {
    return this.#bytes.toString("utf8")
  }

  toString(): string {
    return "[secret]"
  }

  toJSON(): string {
    return "[secret]"
  }

  [Symbol.toPrimitive](): string {
    return "[secret]"
  }

  [inspect.custom](): string {
    return "[secret]"
  }
}
