import { PurserError } from "../base/errors.ts"

/**
 * Every limit of the channel, so that no peer, known or not, can hold memory,
 * slots or time for as long as it likes. Times in milliseconds, sizes in bytes.
 */
export interface ChannelLimits {
  /** From the TCP connection to the end of the TLS handshake. */
  readonly handshakeMs: number
  /** Connections that are not yet through the pin check; one more drops the oldest. */
  readonly pendingHandshakes: number
  /** Sessions at a time at a node; one more is refused. */
  readonly sessions: number
  /** For each whole frame, from the moment we wait for it. */
  readonly frameMs: number
  /** For a whole session, and so for `done`. */
  readonly sessionMs: number
  /** Requests in one session. */
  readonly requests: number
  /** One line, with its newline. */
  readonly frameBytes: number
  /** Nesting of arrays and objects in one frame. */
  readonly depth: number
  /** Decoded bytes in one chunk that we send. */
  readonly chunkBytes: number
  /** One body. */
  readonly secretBytes: number
}

/** No setting lets a body be larger than this. */
export const hardSecretBytes = 16 * 1024 * 1024

/** The protocol's own bound on a chunk, whatever the settings of the two ends. */
export const maxChunkBytes = 32_768

export const defaultLimits: ChannelLimits = Object.freeze({
  handshakeMs: 10_000,
  pendingHandshakes: 16,
  sessions: 4,
  frameMs: 30_000,
  sessionMs: 300_000,
  requests: 1000,
  frameBytes: 65_536,
  depth: 8,
  chunkBytes: maxChunkBytes,
  secretBytes: 1024 * 1024,
})

const dayMs = 86_400_000
const ranges: Readonly<Record<keyof ChannelLimits, readonly [least: number, most: number]>> = {
  handshakeMs: [1, dayMs],
  pendingHandshakes: [1, 65_536],
  sessions: [1, 65_536],
  frameMs: [1, dayMs],
  sessionMs: [1, dayMs],
  requests: [1, 1_000_000],
  frameBytes: [1024, 1024 * 1024],
  depth: [3, 64],
  chunkBytes: [1, maxChunkBytes],
  secretBytes: [1, hardSecretBytes],
}

/** The defaults with these changes. Throws `ERR_CONFIG` for a value out of range, or a chunk that no frame could hold. */
export function resolveLimits(changes: Partial<ChannelLimits> = {}): ChannelLimits {
  const limits = { ...defaultLimits }
  for (const name of Object.keys(ranges) as (keyof ChannelLimits)[]) {
    const value = changes[name] ?? defaultLimits[name]
    const [least, most] = ranges[name]
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      throw new PurserError("ERR_CONFIG", `the limit ${name} is ${value}`, {
        hint: `use a whole number from ${least} to ${most}`,
      })
    }
    limits[name] = value
  }
  // Base64 grows by a third; the rest of a chunk frame is its keys and two integers.
  if (Math.ceil(limits.chunkBytes / 3) * 4 + 128 > limits.frameBytes) {
    throw new PurserError(
      "ERR_CONFIG",
      `a chunk of ${limits.chunkBytes} bytes does not fit a frame of ${limits.frameBytes}`,
      {
        hint: "raise frameBytes, or lower chunkBytes to less than three quarters of it",
      },
    )
  }
  return Object.freeze(limits)
}
