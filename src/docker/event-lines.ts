import { PurserError } from "../base/errors.ts"

/** The lines of the engine's event stream, one JSON object each. */

export interface ParsedEvent {
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

/** A container's labels stand in each of its events. */
const maxLineBytes = 8 * 1024 * 1024

/** Empty lines are left out; a last line without its end is too. Throws `ERR_LIMIT`. */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    let at = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, at)) {
      const line = Buffer.concat([...parts, chunk.subarray(at, end)]).toString("utf8")
      if (line.trim() !== "") yield line
      at = end + 1
      parts = []
      size = 0
    }
    size += chunk.byteLength - at
    if (size > maxLineBytes) throw new PurserError("ERR_LIMIT", "an event of the engine is too large")
    parts.push(chunk.subarray(at))
  }
}

interface EventAnswer {
  readonly Type?: unknown
  readonly Action?: unknown
  readonly Actor?: {
    readonly ID?: unknown
    readonly Attributes?: Readonly<Record<string, unknown>> | null
  } | null
}

/** Throws `ERR_DOCKER`. */
export function parseEvent(line: string): ParsedEvent {
  let answer: EventAnswer | null
  try {
    answer = JSON.parse(line) as EventAnswer | null
  } catch (error) {
    throw new PurserError("ERR_DOCKER", "an event of the engine is not JSON", { cause: error })
  }
  // Not out of the parsed one: nanoseconds are more than a number can hold. No string inside matches, as the
  // quotes in it are escaped.
  const timeNano = /"timeNano":\s*(\d{1,20})/.exec(line)?.[1]
  if (
    answer === null ||
    typeof answer.Type !== "string" ||
    typeof answer.Action !== "string" ||
    timeNano === undefined
  ) {
    throw new PurserError("ERR_DOCKER", "an event of the engine lacks its type, action or time")
  }
  const attributes = Object.entries(answer.Actor?.Attributes ?? {})
  return {
    kind: "event",
    type: answer.Type,
    action: answer.Action,
    id: typeof answer.Actor?.ID === "string" ? answer.Actor.ID : "",
    attributes: Object.fromEntries(attributes.map(([key, value]) => [key, String(value)])),
    timeNano: BigInt(timeNano),
  }
}

/** Tells new events from those that were seen before the connection was lost. */
export class EventMemory {
  /** In the order in which they came; the engine itself keeps 256. */
  readonly #seen = new Set<string>()
  #lastNs: bigint | undefined

  /** Of the newest event. */
  get lastNs(): bigint | undefined {
    return this.#lastNs
  }

  isNew({ type, action, id, timeNano }: ParsedEvent): boolean {
    const key = `${timeNano} ${type} ${id} ${action}`
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    const [oldest] = this.#seen
    if (this.#seen.size > 1024 && oldest !== undefined) this.#seen.delete(oldest)
    if (this.#lastNs === undefined || timeNano > this.#lastNs) this.#lastNs = timeNano
    return true
  }
}
