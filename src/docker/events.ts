import type { Engine } from "./engine.ts"

export type EngineEvent =
  | {
      readonly kind: "event"
      /** `container`, `network`, `volume`, `image`, `daemon`, … */
      readonly type: string
      /** `start`, `die`, `unpause`, `exec_create: sh -c …`, `health_status: healthy`, … */
      readonly action: string
      /** Of the object, its full id; a volume's name. */
      readonly id: string
      /** A container's labels, its `name` and `image`; `exitCode`, `signal`, … by action. */
      readonly attributes: Readonly<Record<string, string>>
      /** Nanoseconds since 1970 by the engine's clock. */
      readonly timeNano: bigint
    }
  /** Comes first and after every reconnect: list afresh now, for the engine keeps only its last 256 events. */
  | { readonly kind: "list" }

export interface FollowOptions {
  /** `container`, `network`, …; default: all. */
  readonly types?: readonly string[]
  /** Aborted: the iteration ends, without an error. */
  readonly signal: AbortSignal
  /** Told of every loss of the connection, before the next try. */
  readonly onLost?: (error: unknown, retryInMs: number) => void
}

/**
 * The engine's events, without end. What happens from the first `list` on is not missed: the stream is open before
 * `list` is given, a lost one is opened again with back-off from where it ended, and what comes twice is given once.
 * Throws only for what another try does not mend (`ERR_CONFIG`, `ERR_ADDRESS`).
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
 */
export async function* followEvents(engine: Engine, options: FollowOptions): AsyncIterable<EngineEvent> {
  throw new Error("not yet")
}
