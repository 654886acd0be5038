import { PurserError } from "../base/errors.ts"

/** Parses the engine's event stream, which is one JSON object a line. */

export interface ParsedEvent {
  readonly kind: "event"
  /** `container`, `network`, `volume`, `image`, `daemon`, … */
  readonly type: string
  /** `start`, `die`, `unpause`, `exec_create: sh -c …`, `health_status: healthy`, … */
  readonly action: string
  /** The full id of the object, or a volume's name. */
  readonly id: string
  /** A container's labels, its `name` and `image`; `exitCode`, `signal`, … by action. */
  readonly attributes: Readonly<Record<string, string>>
  /** Nanoseconds since 1970 by the engine's clock. */
  readonly timeNano: bigint
}

/** The limit is large because each event of a container carries all of its labels. */
const maxLineBytes = 8 * 1024 * 1024

/** Yields the lines, without empty ones and without an unfinished last one. Throws `ERR_LIMIT` above 8 MiB a line. */
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

/** Parses one event. Throws `ERR_DOCKER` if it is not JSON or lacks its type, action or time. */
export function parseEvent(line: string): ParsedEvent {
  let answer: EventAnswer | null
  try {
    answer = JSON.parse(line) as EventAnswer | null
  } catch (error) {
    throw new PurserError("ERR_DOCKER", "an event of the engine is not JSON", { cause: error })
  }
  // Read from the text, because a number cannot hold nanoseconds since 1970. No string value can match, because
  // quotes are escaped in strings.
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

/** Recognizes events that a new connection delivers a second time. */
export class EventMemory {
  /** Keys of the last 1024 events, oldest first; the engine itself keeps only 256. */
  readonly #seen = new Set<string>()
  #lastNs: bigint | undefined

  /** The time of the newest event, in nanoseconds since 1970. */
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
