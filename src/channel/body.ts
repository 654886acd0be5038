import type { Secret } from "../base/secret.ts"
import type { FrameReader, FrameWriter, NextOptions } from "./frames.ts"
import type { ChannelLimits } from "./limits.ts"
import type { SentAnswer } from "./messages.ts"

/** Writes the `sent` answer that announces `body`, and its chunks. */
export function writeBody(
  _writer: FrameWriter,
  _id: number,
  _body: Secret,
  _options: { signal?: AbortSignal } = {},
): Promise<void> {
  throw new Error("not written yet")
}

/** Reads the chunks that `answer` announced. Throws `ERR_LIMIT` before reading, `ERR_PROTOCOL`, `ERR_DIGEST`. */
export function readBody(
  _reader: FrameReader,
  _answer: SentAnswer,
  _limits: ChannelLimits,
  _options: NextOptions = {},
): Promise<Secret> {
  throw new Error("not written yet")
}
