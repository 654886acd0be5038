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
  /** `USER[:GROUP]`; default: the container's own user. */
  readonly user?: string
  /** Default: none, so the process reads end of file at once. */
  readonly stdin?: Uint8Array | Readable
  /** Limit of stdout and stderr together, default 1 MiB. Exceeding it is `ERR_LIMIT`. */
  readonly maxOutputBytes?: number
  readonly timeoutMs: number
  /** Receives stdout as it arrives, for a dialogue over a `stdin` that is a stream. */
  readonly onStdout?: (bytes: Buffer) => void
}

export interface ExecResult {
  /** 126 or 127 if the program could not be started; stdout (not stderr) then holds the engine's reason. */
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/**
 * Runs a program in a running container, with its streams attached. Secrets go through stdin, because every user of
 * the engine can see the command line, also later in the engine's events. The time limit ends the wait, not the
 * program. Throws `ERR_TIMEOUT`, `ERR_LIMIT`, `ERR_CONTAINER_PAUSED`, `ERR_NOT_RUNNING`, `ERR_NO_SUCH_CONTAINER`,
 * `ERR_DOCKER_UNREACHABLE`, `ERR_DOCKER`.
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
    // The caller may still write to a program that never began.
    if (!(options.stdin instanceof Uint8Array)) options.stdin?.destroy()
    if (!limit.isOver) throw error
    throw new PurserError(
      "ERR_TIMEOUT",
      `${quote(options.command[0] ?? "")} in the container did not end within ${options.timeoutMs} ms`,
      { cause: error, hint: "check with docker ps whether the container is paused" },
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
  // Destroying the input tells a caller that still writes that the program has ended.
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
    // The program ended before it read all of its input, which the exit code will tell.
    if (!isHangUp(error)) throw asLost(error)
    return
  }
  if (!frames.isWhole) throw asLost(new Error("it ended in the middle of a frame"))
}

/** Writes `stdin` and then half-closes the connection, which ends the program's input. */
async function writeInput(connection: Duplex, stdin: Uint8Array | Readable | undefined): Promise<void> {
  try {
    if (stdin === undefined) return
    if (stdin instanceof Uint8Array) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // The reading side handles a connection's error.
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
    // The output ends a moment before the engine records the exit code.
    await delay(10, undefined, { signal })
  }
}
