import { killGroup, spawnGroup } from "../base/subprocess.ts"
import { once } from "node:events"
import { constants } from "node:os"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { TimeLimit } from "../base/time-limit.ts"

/** The action after files have changed that makes the application read them again. */
export type Reload =
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | { readonly kind: "restart" }
  | { readonly kind: "exec"; readonly command: string }
  | { readonly kind: "http"; readonly url: string }

/** Runs a reload; rejects when it failed. Passed in by the code that controls the command or the container. */
export type RunReload = (reload: Reload, signal: AbortSignal) => Promise<void>

/** Reads a signal (`HUP`, `SIGHUP`), `restart`, `exec:COMMAND` or `http:URL`. Throws `ERR_RELOAD_SPEC`. */
export function parseReload(text: string): Reload {
  const spec = text.trim()
  if (spec === "restart") return { kind: "restart" }
  if (spec.startsWith("exec:")) {
    const command = spec.slice("exec:".length).trim()
    if (command === "" || command.includes("\0")) throw bad(spec, "there is no command after exec:")
    return { kind: "exec", command }
  }
  if (/^https?:/.test(spec)) return { kind: "http", url: parseUrl(spec) }
  const name = /^(?:SIG)?([A-Z0-9]+)$/.exec(spec)?.[1]
  const signal = `SIG${name}` as NodeJS.Signals
  if (name === undefined || !Object.hasOwn(constants.signals, signal))
    throw bad(spec, "there is no such signal")
  if (signal === "SIGKILL" || signal === "SIGSTOP") throw bad(spec, "no program can handle it")
  return { kind: "signal", signal }
}

/** Writes a reload as text. {@link parseReload} reads it back. */
export function formatReload(reload: Reload): string {
  switch (reload.kind) {
    case "signal":
      return reload.signal.slice("SIG".length)
    case "restart":
      return "restart"
    case "exec":
      return `exec:${reload.command}`
    case "http":
      return `http:${reload.url}`
  }
}

/** Reads `http:URL`, where the URL begins with `http:` or `https:`. The prefix may be left out. */
function parseUrl(spec: string): string {
  const text = /^http:https?:/.test(spec) ? spec.slice("http:".length) : spec
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new PurserError("ERR_RELOAD_SPEC", `cannot read the reload ${quote(spec)}: it holds no valid URL`, {
      hint: "write http:http://127.0.0.1:8080/reload",
    })
  }
  const url = new URL(text)
  // The text is not quoted, because it holds the password.
  if (url.username !== "" || url.password !== "")
    throw new PurserError(
      "ERR_RELOAD_SPEC",
      `the reload's URL for ${quote(url.host)} holds a user or password`,
      {
        hint: "use exec: with a program that reads the password from a file",
      },
    )
  return url.href
}

function bad(spec: string, why: string): PurserError {
  return new PurserError("ERR_RELOAD_SPEC", `cannot read the reload ${quote(spec)}: ${why}`, {
    hint: "use a signal such as HUP, or restart, exec:COMMAND, http:URL",
  })
}

/** Runs the reload. Throws `ERR_RELOAD` for any error of `runReload`. */
export async function reloadWith(runReload: RunReload, reload: Reload, signal: AbortSignal): Promise<void> {
  try {
    await runReload(reload, signal)
  } catch (error) {
    if (isPurserError(error, "ERR_RELOAD")) throw error
    const message = `the reload ${formatReload(reload)} failed: ${reasonOf(error)}`
    throw new PurserError("ERR_RELOAD", message, { cause: error })
  }
}

const reloadMs = 30_000

/**
 * Runs the two kinds that need neither a command nor a container: `exec:` by `sh -c`, and `http:` by a POST that must be
 * answered with 2xx. The command's output is discarded, because it may hold a secret. Throws `ERR_RELOAD`, and
 * `ERR_RELOAD_SPEC` for the other kinds.
 */
export async function runLocalReload(
  reload: Reload,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv,
  limitMs = reloadMs,
): Promise<void> {
  using limit = new TimeLimit(signal, limitMs)
  try {
    if (reload.kind === "exec") await runCommand(reload.command, limit.signal, env)
    else if (reload.kind === "http") await post(reload.url, limit.signal)
    else
      throw new PurserError(
        "ERR_RELOAD_SPEC",
        `the reload ${formatReload(reload)} needs a command or a container`,
      )
  } catch (error) {
    if (isPurserError(error)) throw error
    const why = limit.isOver ? `it took longer than ${limitMs} ms` : rootReasonOf(error)
    throw new PurserError("ERR_RELOAD", `the reload ${formatReload(reload)} failed: ${why}`, { cause: error })
  }
}

/** The reason of a failed `fetch`, which is in the error's cause. */
function rootReasonOf(error: unknown): string {
  const cause = error instanceof TypeError ? error.cause : undefined
  // When several addresses failed, the first failure is reported.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  return reasonOf(first ?? error)
}

async function runCommand(command: string, signal: AbortSignal, env: NodeJS.ProcessEnv): Promise<void> {
  signal.throwIfAborted()
  const child = spawnGroup("sh", ["-c", command], { env, stdio: "ignore" })
  const kill = (): void => killGroup(child)
  signal.addEventListener("abort", kill, { once: true })
  try {
    const [code, by] = (await once(child, "exit", { signal })) as [number | null, string | null]
    if (code !== 0)
      throw new Error(code === null ? `it was killed by ${by}` : `it ended with exit code ${code}`)
  } finally {
    signal.removeEventListener("abort", kill)
  }
}

async function post(url: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { method: "POST", redirect: "error", signal })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`it was answered with ${response.status}`)
}
