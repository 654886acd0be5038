import { PurserError } from "../base/errors.ts"

/**
 * A piece of the frames in which the engine sends stdout and stderr of a process without a terminal. A frame is: the
 * stream (0 stdin, 1 stdout, 2 stderr), three zero bytes, the length as 32 bits big-endian, then the bytes.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export interface FramePart {
  readonly stream: "stdout" | "stderr"
  /** A slice of the pushed chunk, so a frame may come in several parts. */
  readonly bytes: Buffer
}

const headerBytes = 8

export class OutputReader {
  #header = Buffer.alloc(headerBytes)
  #headerFilled = 0
  #remaining = 0
  #stream: FramePart["stream"] = "stdout"

  /** Whether the stream may end here: no frame is unfinished. */
  get isWhole(): boolean {
    return this.#remaining === 0 && this.#headerFilled === 0
  }

  /** Yields the parts of a chunk. Throws `ERR_DOCKER` for a header that is not a frame's. */
  *push(chunk: Buffer): Generator<FramePart> {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#remaining === 0) {
        const taken = chunk.copy(this.#header, this.#headerFilled, at, at + headerBytes - this.#headerFilled)
        at += taken
        this.#headerFilled += taken
        if (this.#headerFilled < headerBytes) return
        this.#headerFilled = 0
        this.#open()
        continue
      }
      const bytes = chunk.subarray(at, at + this.#remaining)
      at += bytes.byteLength
      this.#remaining -= bytes.byteLength
      yield { stream: this.#stream, bytes }
    }
  }

  #open(): void {
    const [stream, a, b, c] = this.#header
    if ((stream !== 0 && stream !== 1 && stream !== 2) || a !== 0 || b !== 0 || c !== 0) {
      throw new PurserError("ERR_DOCKER", "the engine's stream is not made of frames")
    }
    this.#stream = stream === 2 ? "stderr" : "stdout"
    this.#remaining = this.#header.readUInt32BE(4)
  }
}
