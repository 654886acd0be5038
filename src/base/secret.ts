import { inspect } from "node:util"
import { digestOf, type Digest } from "./digest.ts"

/**
 * Bytes that must not be seen by accident. Printing, logging, interpolating or
 * serialising one gives `[secret]`; reading is the explicit `.reveal()`.
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

  /** SHA-256 of the content. For comparing on the wire and on disk; never for a log (a short secret can be guessed from it). */
  get digest(): Digest {
    return (this.#digest ??= digestOf(this.#bytes))
  }

  /** The bytes themselves, not a copy: do not write to them. */
  reveal(): Buffer {
    return this.#bytes
  }

  /** The bytes as UTF-8 text. */
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
