import type { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import type { Readable } from "node:stream"

/**
 * What this test file waits for at the moment, and what it has started: told where something takes too long, since
 * a bare "timed out" says neither. Processes are noticed as they start, so that no test has to tell of them.
 */

interface Started {
  readonly child: ChildProcess
  readonly atMs: number
  /** What it wrote last, on either of its streams. */
  tail: string
}

const tailLength = 4000
const moreLines = new Set<() => Promise<readonly string[]>>()
const waits = new Set<{ readonly what: string; readonly sinceMs: number }>()
const started: Started[] = []

subscribe("child_process", (message) => {
  const { process: child } = message as { process: ChildProcess }
  const one: Started = { child, atMs: performance.now(), tail: "" }
  started.push(one)
  child.once("exit", forgetOld)
  // Its streams are there by then, and nothing has come from them yet.
  child.once("spawn", () => {
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) remember(stream, one)
  })
})

/** Some tests start thousands. */
function forgetOld(): void {
  const ended = started.filter(({ child }) => !isRunning(child))
  for (const one of ended.slice(0, -10)) started.splice(started.indexOf(one), 1)
}

/** Looks at what arrives without reading it: a listener for data would take it from whoever comes later. */
function remember(stream: Readable, to: Started): void {
  const push = stream.push.bind(stream)
  stream.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
    if (chunk !== null) to.tail = `${to.tail}${Buffer.from(chunk).toString()}`.slice(-tailLength)
    return push(chunk, encoding)
  }
}

/** Names a wait for as long as it lasts. */
export async function waitingFor<T>(what: string, promise: Promise<T>): Promise<T> {
  const wait = { what, sinceMs: performance.now() }
  waits.add(wait)
  try {
    return await promise
  } finally {
    waits.delete(wait)
  }
}

/** Adds lines of what no process of ours is, such as containers. */
export function alsoTell(lines: () => Promise<readonly string[]>): void {
  moreLines.add(lines)
}

/** In lines: the waits, the processes with their last words, and what others add. */
export async function situation(): Promise<string> {
  const lines = [...waits].map(({ what, sinceMs }) => `waiting for ${what} since ${seconds(sinceMs)}`)
  const processes = [...started]
  for (const one of processes.filter(({ child }) => isRunning(child)))
    lines.push(
      `process ${one.child.pid}, running since ${seconds(one.atMs)}: ${commandOf(one)}`,
      ...quoted(one.tail),
    )
  for (const one of processes.filter(({ child }) => !isRunning(child) && child.exitCode !== 0).slice(-3))
    lines.push(
      `process ${one.child.pid}, ended with ${one.child.exitCode ?? one.child.signalCode}: ${commandOf(one)}`,
      ...quoted(one.tail),
    )
  for (const more of moreLines) lines.push(...(await more()))
  return lines.length === 0 ? "nothing is known to run or to be waited for" : lines.join("\n")
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null
}

function commandOf({ child }: Started): string {
  const command = child.spawnargs.join(" ").replaceAll("\n", " ")
  return command.length > 200 ? `${command.slice(0, 200)}…` : command
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`
}

/** The last lines, marked as somebody else's. */
export function quoted(text: string): string[] {
  return text.trim() === ""
    ? []
    : text
        .trimEnd()
        .split("\n")
        .slice(-20)
        .map((line) => `  | ${line}`)
}
