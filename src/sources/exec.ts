import { killGroup, spawnGroup } from "../base/subprocess.ts"
import { type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { TimeLimit } from "../base/time-limit.ts"
import { Secret } from "../base/secret.ts"
import { tooLarge } from "./bounded-read.ts"
import type { Source } from "./source.ts"

export interface ExecSpec {
  readonly kind: "exec"
  readonly argv: readonly [string, ...string[]]
  /** Where it runs. */
  readonly directory: string
  /** Picks from JSON or YAML output; undefined: all of the output. */
  readonly key: string | undefined
  /** Keep the newline at the end of the output. */
  readonly raw: boolean
  readonly timeoutMs: number
}

/** With `key`, the output may be larger than the secret that is picked from it. */
const leastOutputBytes = 1024 * 1024
/** How long a grandchild that holds our pipe (an agent that was started) may make us wait after the command's end. */
const lingerMs = 1000

/**
 * The output of a command, without the newline at its end, or what `key` picks from it. Neither its output nor
 * its arguments are ever repeated in a message: either may hold a secret. It gets our environment without
 * PURSER_*, no input, and its standard error is dropped.
 */
export function execSource(spec: ExecSpec, env: NodeJS.ProcessEnv, maxBytes: number): Source {
  return {
    async read(_name, signal) {
      const outputBytes = spec.key === undefined ? maxBytes : Math.max(maxBytes, leastOutputBytes)
      // Two more for the newline that does not count.
      const output = await run(spec, env, outputBytes + 2, signal)
      if (output === null) throw tooLarge(`the output of ${quote(spec.argv[0])}`, outputBytes)
      const secret = await secretOf(output, spec)
      if (secret !== null && secret.sizeBytes > maxBytes)
        throw tooLarge(`the output of ${quote(spec.argv[0])}`, maxBytes)
      return secret
    },
  }
}

async function secretOf(output: Buffer, { key, raw, argv }: ExecSpec): Promise<Secret | null> {
  if (key !== undefined) {
    const { pick } = await import("./pick.ts")
    const text = pick(output.toString("utf8"), key, quote(argv[0]))
    return text === null ? null : new Secret(text)
  }
  if (raw || output.at(-1) !== 0x0a) return new Secret(output)
  return new Secret(output.subarray(0, output.at(-2) === 0x0d ? -2 : -1))
}

/** Null when the output is longer than `maxBytes`. */
async function run(
  { argv, directory, timeoutMs }: ExecSpec,
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
