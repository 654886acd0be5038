import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { PurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import { killGroup, spawnGroup } from "../../base/subprocess.ts"
import { TimeLimit } from "../../base/time-limit.ts"

export interface CommandToRun {
  readonly argv: readonly [string, ...string[]]
  /** Working directory. */
  readonly directory: string
  readonly timeoutMs: number
}

/** How long a grandchild that holds our pipe (an agent that was started) may make us wait after the command's end. */
const lingerMs = 1000

/**
 * The output of a command, null when it is longer than `maxBytes`. Neither its output nor its arguments are ever
 * repeated in a message: either may hold a secret. It gets our environment without PURSER_*, no input, and its
 * standard error is dropped. Throws `ERR_SOURCE`.
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
        hint: "does it wait for input? raise timeout: if it needs the time",
      })
    }
    if (code !== 0) {
      throw new PurserError(
        "ERR_SOURCE",
        `${name} failed with ${code === null ? killedBy : `exit code ${code}`}`,
        {
          hint: "run the command by hand to see what it says",
        },
      )
    }
    return output
  } catch (error) {
    if (systemErrorCode(error) === undefined || systemErrorCode(error) === "ABORT_ERR") throw error
    if (systemErrorCode(error)?.startsWith("ERR_") === true) throw error
    throw new PurserError("ERR_SOURCE", `${name} cannot be started: ${errno(error)}`, {
      hint: "is it installed, and in the PATH of the agent? relative paths are relative to the configuration file",
    })
  } finally {
    stopped.removeEventListener("abort", onStop)
  }
}

/** Node's own message would repeat the arguments. */
function errno(error: unknown): string {
  return systemErrorCode(error) ?? reasonOf(error)
}

/** Null when it is more than `maxBytes`. Rejects when the command cannot be started. */
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
