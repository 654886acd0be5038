import { sameText } from "../base/digest.ts"
import { PurserError } from "../base/errors.ts"
import { Secret } from "../base/secret.ts"
import type { FrameWriter, WriteOptions } from "./frame-writer.ts"
import type { FrameReader, NextOptions } from "./frames.ts"
import { maxChunkBytes, type ChannelLimits } from "./limits.ts"
import { parseChunk, type Chunk, type SentAnswer } from "./messages.ts"

/** Writes and reads bodies: an answer announces digest, size and number of chunks, and the chunks follow it. */

export interface WriteBodyOptions extends WriteOptions {
  /** Default and maximum: 32,768. */
  chunkBytes?: number
}

/** Writes the `sent` answer to request `id` and the chunks of `body`. Throws the errors of `FrameWriter.write`. */
export async function writeBody(
  writer: FrameWriter,
  id: number,
  body: Secret,
  { chunkBytes = maxChunkBytes, ...options }: WriteBodyOptions = {},
): Promise<void> {
  const bytes = body.reveal()
  const chunks = Math.ceil(bytes.length / chunkBytes)
  const answer: SentAnswer = {
    type: "answer",
    id,
    status: "sent",
    digest: body.digest,
    size: bytes.length,
    chunks,
  }
  await writer.write(answer, options)
  for (let index = 0; index < chunks; index++) {
    const from = index * chunkBytes
    const data = bytes.toString("base64", from, Math.min(from + chunkBytes, bytes.length))
    const chunk: Chunk = { type: "chunk", id, index, data }
    await writer.write(chunk, options)
  }
}

/**
 * Reads the chunks that `answer` announced; `options` apply to each chunk. Throws `ERR_LIMIT`, before it reads anything,
 * for a body above `secretBytes`, `ERR_PROTOCOL` for chunks out of order or of the wrong length, `ERR_DIGEST` for
 * content that does not match the announced digest, and the errors of `FrameReader.next`.
 */
export async function readBody(
  reader: FrameReader,
  answer: SentAnswer,
  { secretBytes }: Pick<ChannelLimits, "secretBytes">,
  options: NextOptions = {},
): Promise<Secret> {
  const { id, size, chunks, digest } = answer
  if (size > secretBytes) {
    throw new PurserError("ERR_LIMIT", `the agent announced ${size} bytes, the limit is ${secretBytes}`, {
      hint: "raise this node's limit secret_bytes, up to 16 MiB",
    })
  }
  // The buffer is not from Node's shared pool. It may be uninitialized, because every byte is written before it is
  // used.
  const bytes = Buffer.allocUnsafeSlow(size)
  let filled = 0
  try {
    for (let index = 0; index < chunks; index++) {
      const chunk = parseChunk(await reader.next(options))
      if (chunk.id !== id || chunk.index !== index) {
        throw new PurserError(
          "ERR_PROTOCOL",
          `the peer sent chunk ${chunk.index} of answer ${chunk.id} instead of chunk ${index} of answer ${id}`,
        )
      }
      filled += decodeInto(bytes, filled, chunk.data)
    }
    if (filled !== size) {
      throw new PurserError("ERR_PROTOCOL", `the body has ${filled} bytes, ${size} were announced`)
    }
    const body = new Secret(bytes)
    if (!sameText(body.digest, digest)) {
      throw new PurserError("ERR_DIGEST", "the body does not match its announced digest")
    }
    return body
  } catch (error) {
    bytes.fill(0)
    throw error
  }
}

/** Decodes strict standard base64 (RFC 4648 section 4, canonical, padded) and returns the number of bytes. */
function decodeInto(bytes: Buffer, at: number, data: string): number {
  const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0
  const length = (data.length / 4) * 3 - padding
  if (!Number.isInteger(length) || length < 1 || length > maxChunkBytes) {
    throw new PurserError("ERR_PROTOCOL", "a chunk has a wrong length")
  }
  if (length > bytes.length - at) throw new PurserError("ERR_PROTOCOL", "the body is longer than announced")
  bytes.write(data, at, "base64")
  // Node.js decodes leniently, so the result is encoded again to refuse a non-canonical text.
  if (bytes.toString("base64", at, at + length) !== data) {
    throw new PurserError("ERR_PROTOCOL", "a chunk is not base64")
  }
  return length
}
