import type { Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { setTimeout as delay } from "node:timers/promises"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { TimeLimit } from "../base/time-limit.ts"
import { containerPath } from "./containers.ts"
import type { Engine } from "./engine.ts"
import { OutputReader } from "./frames.ts"

export interface ExecOptions {
  readonly command: readonly string[]
  /** `USER[:GROUP]`; default: the container's own. */
  readonly user?: string
  /** Default: none, the process reads an end at once. */
  readonly stdin?: Uint8Array | Readable
  /** For stdout and stderr together; default 1 MiB. More is `ERR_LIMIT`. */
  readonly maxOutputBytes?: number
  readonly timeoutMs: number
  /** Gets stdout as it comes, for a conversation over a `stdin` that is a stream. */
  readonly onStdout?: (bytes: Buffer) => void
}

export interface ExecResult {
  /** 126 and 127 where the program could not be started; then stdout (not stderr) holds the engine's reason. */
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/**
 * Runs a program in a running container, with the streams attached. The command line can be seen by everybody who
 * may ask the engine, and stays in its events: what is secret goes through stdin. The time limit ends our waiting,
 * not the program. Throws `ERR_TIMEOUT`, `ERR_LIMIT`, `ERR_CONTAINER_PAUSED`, `ERR_NOT_RUNNING`,
 * `ERR_NO_SUCH_CONTAINER`, `ERR_DOCKER`.
 */
export async function execIn(
  engine: Engine,
  id: string,
  options: ExecOptions,
  signal: AbortSignal,
): Promise<ExecResult> {
  using limit = new TimeLimit(signal, options.timeoutMs)
  try {
    return await runIn(engine, id, options, limit.signal)
  } catch (error) {
    // The program may not even have begun, and the caller still writes to it.
    if (!(options.stdin instanceof Uint8Array)) options.stdin?.destroy()
    if (!limit.isOver) throw error
    throw new PurserError(
      "ERR_TIMEOUT",
      `${quote(options.command[0] ?? "")} in the container did not end within ${options.timeoutMs} ms`,
      { cause: error, hint: "a pause holds it up: see whether docker ps says that the container is paused" },
    )
  }
}

async function runIn(
  engine: Engine,
  id: string,
  { command, user, stdin, maxOutputBytes = 1024 * 1024, onStdout }: ExecOptions,
  signal: AbortSignal,
): Promise<ExecResult> {
  const { Id: exec } = await engine.json<{ readonly Id: string }>({
    method: "POST",
    path: `${containerPath(id)}/exec`,
    body: {
      AttachStdin: stdin !== undefined,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      Cmd: command,
      ...(user === undefined ? {} : { User: user }),
    },
    signal,
  })
  const body = { Detach: false, Tty: false }
  const connection = await engine.upgrade({ path: `/exec/${exec}/start`, body, signal })
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  const output = { out, err, maxBytes: maxOutputBytes, onStdout }
  // Who still writes to a program that has ended is to hear of it.
  const endInput = (): void => void (stdin instanceof Uint8Array || stdin?.destroy())
  try {
    await Promise.all([readOutput(connection, output).finally(endInput), writeInput(connection, stdin)])
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    connection.destroy()
  }
  return {
    exitCode: await exitCodeOf(engine, exec, signal),
    stdout: Buffer.concat(out),
    stderr: Buffer.concat(err),
  }
}

interface Output {
  readonly out: Buffer[]
  readonly err: Buffer[]
  readonly maxBytes: number
  readonly onStdout: ExecOptions["onStdout"]
}

async function readOutput(connection: Duplex, { out, err, maxBytes, onStdout }: Output): Promise<void> {
  const frames = new OutputReader()
  let size = 0
  try {
    for await (const part of connection as AsyncIterable<Buffer>) {
      for (const { stream, bytes } of frames.push(part)) {
        size += bytes.byteLength
        if (size > maxBytes) {
          throw new PurserError("ERR_LIMIT", `the program in the container wrote more than ${maxBytes} bytes`)
        }
        ;(stream === "stderr" ? err : out).push(bytes)
        if (stream === "stdout") onStdout?.(bytes)
      }
    }
  } catch (error) {
    // A program that ends before it has read everything: the exit code tells, once the engine has it.
    if (!isHangUp(error)) throw asLost(error)
    return
  }
  if (!frames.isWhole) throw asLost(new Error("it ended in the middle of a frame"))
}

/** Ends our side, which is the end of the program's input. */
async function writeInput(connection: Duplex, stdin: Uint8Array | Readable | undefined): Promise<void> {
  try {
    if (stdin === undefined) return
    if (stdin instanceof Uint8Array) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // An error is for the reading side to judge.
      connection.once("close", resolve).end(stdin, resolve)
      await promise
      return
    }
    await pipeline(stdin, connection)
  } catch (error) {
    if (!isHangUp(error)) throw error
  }
}

function isHangUp(error: unknown): boolean {
  const code = systemErrorCode(error)
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE"
}

function asLost(error: unknown): unknown {
  if (error instanceof PurserError || (error instanceof Error && error.name === "AbortError")) return error
  return new PurserError(
    "ERR_DOCKER_UNREACHABLE",
    `the connection to the program in the container was lost: ${reasonOf(error)}`,
    { cause: error },
  )
}

interface ExecAnswer {
  readonly Running: boolean
  readonly ExitCode: number | null
}

async function exitCodeOf(engine: Engine, exec: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    const { Running, ExitCode } = await engine.json<ExecAnswer>({ path: `/exec/${exec}/json`, signal })
    if (!Running && ExitCode !== null) return ExitCode
    // The output ends a moment before the engine has noted the exit.
    await delay(10, undefined, { signal })
  }
}
