import type { Readable } from "node:stream"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"

/**
 * Reads a response to its end. Throws `ERR_LIMIT` above `maxBytes`, and `ERR_DOCKER_UNREACHABLE` if the connection is
 * lost.
 */
export async function readResponse(body: Readable, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of body as AsyncIterable<Buffer>) {
      size += part.byteLength
      if (size > maxBytes) {
        throw new PurserError("ERR_LIMIT", `the engine's answer is larger than ${maxBytes} bytes`)
      }
      parts.push(part)
    }
  } catch (error) {
    signal.throwIfAborted()
    if (isPurserError(error)) throw error
    throw new PurserError("ERR_DOCKER_UNREACHABLE", `the engine's answer was cut off: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  signal.throwIfAborted()
  return Buffer.concat(parts, size)
}
