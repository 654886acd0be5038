import type { Readable } from "node:stream"
import { setTimeout as delay } from "node:timers/promises"
import { backoffMs } from "../base/backoff.ts"
import { PurserError } from "../base/errors.ts"
import type { Engine } from "./engine.ts"
import { EventQueue, type EngineEvent } from "./event-queue.ts"
import { EventMemory, parseEvent, splitLines } from "./event-lines.ts"

export type { EngineEvent }

export interface FollowOptions {
  /** `container`, `network`, …; default: all. */
  readonly types?: readonly string[]
  /** Aborted: the iteration ends, without an error. */
  readonly signal: AbortSignal
  /** Told of every loss of the connection, before the next try. */
  readonly onLost?: (error: unknown, retryInMs: number) => void
}

const maxQueued = 10_000
const backoff = { firstMs: 200, maxMs: 30_000 }
/** So much earlier than what was seen last: neither clocks nor the order of events are exact. */
const overlapNs = 1_000_000_000n

/**
 * The engine's events, without end. What happens from the first `list` on is not missed: the engine is asked for
 * events from a little earlier on, a lost stream is opened again with back-off from where it ended, and what comes
 * twice is given once. As the engine keeps only its last 256, and none over its own restart, each new stream begins
 * with another `list`. Throws nothing: an engine that is away is tried again.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
 */
export async function* followEvents(
  engine: Engine,
  options: FollowOptions,
): AsyncGenerator<EngineEvent, void, undefined> {
  // Also ends the reading when the iteration is left.
  const done = new AbortController()
  const queue = new EventQueue(maxQueued)
  const reading = follow(
    engine,
    { ...options, signal: AbortSignal.any([options.signal, done.signal]) },
    queue,
  )
    .catch((error: unknown) => queue.fail(error))
    .finally(() => queue.end())
  try {
    for (;;) {
      const event = await queue.next()
      if (event === undefined || options.signal.aborted) return
      yield event
    }
  } finally {
    done.abort()
    await reading
  }
}

/** Reads as fast as the engine writes, since it drops events for whoever does not. */
async function follow(
  engine: Engine,
  { types, signal, onLost }: FollowOptions,
  queue: EventQueue,
): Promise<void> {
  const memory = new EventMemory()
  let startNs: bigint | undefined
  const filters = types === undefined ? undefined : JSON.stringify({ type: types })
  for (let failures = 0; !signal.aborted;) {
    const openedAt = performance.now()
    try {
      startNs ??= await engineTimeNs(engine, signal)
      const sinceNs = memory.lastNs === undefined ? startNs : memory.lastNs - overlapNs
      const query = { filters, since: sinceNs === undefined ? undefined : secondsOf(sinceNs) }
      const { body } = await engine.request({ path: "/events", query, signal })
      queue.push({ kind: "list" })
      const lines = splitLines(body as Readable & AsyncIterable<Buffer>)
      for await (const line of lines) {
        const event = parseEvent(line)
        if (memory.isNew(event)) queue.push(event)
      }
      throw new PurserError("ERR_DOCKER_UNREACHABLE", "the engine ended its stream of events")
    } catch (error) {
      if (signal.aborted) return
      // A stream that stood for a while was no failure; one that breaks at once, again and again, is.
      failures = performance.now() - openedAt > backoff.maxMs ? 1 : failures + 1
      const retryInMs = backoffMs(failures, backoff)
      onLost?.(error, retryInMs)
      await delay(retryInMs, undefined, { signal }).catch(() => {})
    }
  }
}

/**
 * The engine's clock, a whole second at most behind: its answer to `/events` comes a moment before it listens for
 * events, and what falls between must be asked for.
 */
async function engineTimeNs(engine: Engine, signal: AbortSignal): Promise<bigint | undefined> {
  const { headers, body } = await engine.request({ path: "/_ping", signal })
  body.resume()
  const ms = Date.parse(headers.date ?? "")
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n
}

function secondsOf(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, "0")}`
}
