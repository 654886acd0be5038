import { z } from "zod"
import { PurserError, reasonOf } from "../base/errors.ts"
import { hardSecretBytes, resolveLimits, type ChannelLimits } from "../channel/limits.ts"
import { duration, wholeNumber } from "../config/scalars.ts"

/**
 * The slice of `purser.yaml` under `limits:`. It is here because `channel/`, which owns most of the limits, also runs
 * in users' containers and so imports nothing from npm.
 */

export const limitsSchema = z
  .strictObject({
    secret_bytes: wholeNumber(1, hardSecretBytes).optional().describe("of one secret; default 1 MiB"),
    handshake: duration.optional().describe("TCP and TLS; default 10s"),
    frame: duration.optional().describe("each whole frame; default 30s"),
    session: duration.optional().describe("a whole session; default 5m"),
    requests: wholeNumber(1, 1_000_000).optional().describe("in one session; default 1000"),
    frame_bytes: wholeNumber(1024, 1024 * 1024)
      .optional()
      .describe("one line; default 65536"),
    chunk_bytes: wholeNumber(1, 32_768).optional().describe("content in one line; default 32768"),
    depth: wholeNumber(3, 64).optional().describe("nesting in one line; default 8"),
    parallel: wholeNumber(1, 10_000).default(64).describe("nodes and directories served at a time"),
    action: duration.prefault("20s").describe("one action; default 20s; keep it below frame"),
  })
  .superRefine((limits, context) => {
    try {
      channelLimits(limits)
    } catch (error) {
      // The hint uses the names in the code, so they are turned into those of purser.yaml.
      const hint =
        error instanceof PurserError ? error.hint?.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : undefined
      context.addIssue({ code: "custom", message: reasonOf(error), params: { hint } })
    }
  })
  .describe("limits of the channel and of the agent")

/** Returns the channel's frozen limits; the other two are the agent's. */
export function resolveLimitsConfig(limits: z.output<typeof limitsSchema>): {
  limits: ChannelLimits
  parallel: number
  actionMs: number
} {
  return { limits: channelLimits(limits), parallel: limits.parallel, actionMs: limits.action }
}

function channelLimits(limits: z.output<typeof limitsSchema>): ChannelLimits {
  const { secret_bytes, handshake, frame, session, requests, frame_bytes, chunk_bytes, depth } = limits
  return resolveLimits({
    ...(secret_bytes === undefined ? {} : { secretBytes: secret_bytes }),
    ...(handshake === undefined ? {} : { handshakeMs: handshake }),
    ...(frame === undefined ? {} : { frameMs: frame }),
    ...(session === undefined ? {} : { sessionMs: session }),
    ...(requests === undefined ? {} : { requests }),
    ...(frame_bytes === undefined ? {} : { frameBytes: frame_bytes }),
    ...(chunk_bytes === undefined ? {} : { chunkBytes: chunk_bytes }),
    ...(depth === undefined ? {} : { depth }),
  })
}
