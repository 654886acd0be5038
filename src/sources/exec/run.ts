import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { PurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import { killGroup, spawnGroup } from "../../base/subprocess.ts"
import { TimeLimit } from "../../base/time-limit.ts"

export interface CommandToRun {
  readonly argv: readonly [string, ...string[]]
  /** The working directory. */
  readonly directory: string
  readonly timeoutMs: number
}

/**
 * The time limit, after the command's end, for a background process of the command (such as an agent) that keeps the
 * pipe open.
 */
const lingerMs = 1000

/**
 * Runs a command and returns its output, or null if it is longer than `maxBytes`. Messages repeat neither its output
 * nor its arguments, because both may hold a secret. It gets our environment without PURSER_* and no input, and its
 * standard error is discarded. Throws `ERR_SOURCE`.
 */
export async function runCommand(
  { argv, directory, timeoutMs }: CommandToRun,
  env: NodeJS.ProcessEnv,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer | null> {
  signal.throwIfAborted()
  const name = quote(argv[0])
  const [file, ...args] = argv
  const child = spawnGroup(file, args, { cwd: directory, env, stdio: ["ignore", "pipe", "ignore"] })
  using limit = new TimeLimit(signal, timeoutMs)
  const stopped = limit.signal
  const onStop = (): void => killGroup(child)
  stopped.addEventListener("abort", onStop, { once: true })
  try {
    const [output, [code, killedBy]] = await Promise.all([
      collect(child, maxBytes, () => killGroup(child)),
      once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>,
    ])
    if (output === null) return null
    if (stopped.aborted) {
      signal.throwIfAborted()
      throw new PurserError("ERR_SOURCE", `${name} took longer than ${timeoutMs} ms`, {
        hint: "check whether it waits for input, or raise timeout:",
      })
    }
    if (code !== 0) {
      throw new PurserError(
        "ERR_SOURCE",
        `${name} failed with ${code === null ? killedBy : `exit code ${code}`}`,
        {
          hint: "run the command by hand to see its messages",
        },
      )
    }
    return output
  } catch (error) {
    if (systemErrorCode(error) === undefined || systemErrorCode(error) === "ABORT_ERR") throw error
    if (systemErrorCode(error)?.startsWith("ERR_") === true) throw error
    throw new PurserError("ERR_SOURCE", `${name} cannot be started: ${errorCode(error)}`, {
      hint: "check that it is installed and in the agent's PATH; relative paths are relative to the configuration file",
    })
  } finally {
    stopped.removeEventListener("abort", onStop)
  }
}

/** Returns the error's code, because Node's own message would repeat the arguments. */
function errorCode(error: unknown): string {
  return systemErrorCode(error) ?? reasonOf(error)
}

/**
 * Collects the output. Resolves with null if it is longer than `maxBytes`. Rejects if the command cannot be started.
 */
function collect(child: ChildProcess, maxBytes: number, stop: () => void): Promise<Buffer | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | null>()
  const chunks: Buffer[] = []
  let length = 0
  child.stdout?.on("data", (chunk: Buffer) => {
    length += chunk.length
    if (length <= maxBytes) chunks.push(chunk)
    else stop()
  })
  child.on("error", reject)
  child.on("exit", () => {
    setTimeout(() => child.stdout?.destroy(), lingerMs).unref()
  })
  child.on("close", () => resolve(length > maxBytes ? null : Buffer.concat(chunks)))
  return promise
}
