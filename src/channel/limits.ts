import { PurserError } from "../base/errors.ts"

/**
 * All limits of the channel, which keep a peer, trusted or not, from holding
 * memory, slots or time without bound. Times in milliseconds, sizes in bytes.
 */
export interface ChannelLimits {
  /** Time from the TCP connection to the end of the TLS handshake. */
  readonly handshakeMs: number
  /** Connections that have not passed the pin check; one more drops the oldest. */
  readonly pendingHandshakes: number
  /** Concurrent sessions of a node; one more is refused. */
  readonly sessions: number
  /** Time for each whole frame, from the start of the wait for it. */
  readonly frameMs: number
  /** Time for a whole session, and so also for the wait for `done`. */
  readonly sessionMs: number
  /** Requests in one session. */
  readonly requests: number
  /** Bytes of one line, including its newline. */
  readonly frameBytes: number
  /** Nesting depth of arrays and objects in one frame. */
  readonly depth: number
  /** Decoded bytes in each chunk that we send. */
  readonly chunkBytes: number
  /** Bytes of one body. */
  readonly secretBytes: number
}

/** The upper bound of a body, which no setting can raise. */
export const hardSecretBytes = 16 * 1024 * 1024

/** The protocol's own bound on a chunk, independent of the settings of both ends. */
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

/**
 * Returns the defaults with these changes. Throws `ERR_CONFIG` for a value out of range, or a chunk that does not fit
 * into a frame.
 */
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
  // Base64 adds a third; 128 bytes cover the other fields of a chunk frame.
  if (Math.ceil(limits.chunkBytes / 3) * 4 + 128 > limits.frameBytes) {
    throw new PurserError(
      "ERR_CONFIG",
      `a chunk of ${limits.chunkBytes} bytes does not fit into a frame of ${limits.frameBytes}`,
      {
        hint: "raise frameBytes, or lower chunkBytes to less than three quarters of it",
      },
    )
  }
  return Object.freeze(limits)
}
