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
  /** An abort ends the iteration without an error. */
  readonly signal: AbortSignal
  /** Called after every loss of the connection, before the next attempt. */
  readonly onLost?: (error: unknown, retryInMs: number) => void
}

const maxQueued = 10_000
const backoff = { firstMs: 200, maxMs: 30_000 }
/** How far before the newest event a new stream begins, because neither clocks nor the order of events are exact. */
const overlapNs = 1_000_000_000n

/**
 * Yields the engine's events without end. From the first `list` on no event is missed: each request asks for events
 * from shortly before the newest one, a lost stream is opened again with back-off, and repeated events are dropped.
 * Each new stream begins with another `list`, because the engine keeps only its last 256 events and none over a
 * restart. Throws no error, because an unreachable engine is retried.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
 */
export async function* followEvents(
  engine: Engine,
  options: FollowOptions,
): AsyncGenerator<EngineEvent, void, undefined> {
  // Stops reading when the caller leaves the iteration.
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

/** Reads as fast as the engine writes, because it drops events for a connection that is not read. */
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
      // A stream that lasted for a while resets the back-off; only short ones count as failures in a row.
      failures = performance.now() - openedAt > backoff.maxMs ? 1 : failures + 1
      const retryInMs = backoffMs(failures, backoff)
      onLost?.(error, retryInMs)
      await delay(retryInMs, undefined, { signal }).catch(() => {})
    }
  }
}

/**
 * Returns the engine's clock, rounded down to a second. Events are requested from this time on, because the engine
 * answers `/events` a moment before it listens, and would lose those in between.
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
