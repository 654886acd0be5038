import { PurserError } from "../base/errors.ts"

/**
 * The frames in which the engine sends stdout and stderr of what has no terminal, as they come in pieces: stream
 * (0 stdin, 1 stdout, 2 stderr), three zero bytes, length as 32 bits big-endian, then the bytes.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export interface FramePart {
  readonly stream: "stdout" | "stderr"
  /** Not more than was pushed: a frame may come in several parts. */
  readonly bytes: Buffer
}

const headerBytes = 8

export class OutputReader {
  #header = Buffer.alloc(headerBytes)
  #headerFilled = 0
  #left = 0
  #stream: FramePart["stream"] = "stdout"

  /** Whether it could end here. */
  get isWhole(): boolean {
    return this.#left === 0 && this.#headerFilled === 0
  }

  /** Throws `ERR_DOCKER` for what is no frame. */
  *push(chunk: Buffer): Generator<FramePart> {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#left === 0) {
        const taken = chunk.copy(this.#header, this.#headerFilled, at, at + headerBytes - this.#headerFilled)
        at += taken
        this.#headerFilled += taken
        if (this.#headerFilled < headerBytes) return
        this.#headerFilled = 0
        this.#open()
        continue
      }
      const bytes = chunk.subarray(at, at + this.#left)
      at += bytes.byteLength
      this.#left -= bytes.byteLength
      yield { stream: this.#stream, bytes }
    }
  }

  #open(): void {
    const [stream, a, b, c] = this.#header
    if ((stream !== 0 && stream !== 1 && stream !== 2) || a !== 0 || b !== 0 || c !== 0) {
      throw new PurserError("ERR_DOCKER", "the engine's stream is not made of frames")
    }
    this.#stream = stream === 2 ? "stderr" : "stdout"
    this.#left = this.#header.readUInt32BE(4)
  }
}
