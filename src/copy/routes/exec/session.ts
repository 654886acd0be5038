import { PassThrough } from "node:stream"
import { PurserError, isPurserError } from "../../../base/errors.ts"
import { escapeForTerminal } from "../../../base/escape.ts"
import { quote } from "../../../base/names.ts"
import { inspectContainer } from "../../../docker/containers.ts"
import { execIn, type ExecResult } from "../../../docker/exec.ts"
import { script } from "./script.ts"
import { RouteUnsuitable, type RouteQuery } from "../../route.ts"

/** No limit of its own, because the task's signal sets the limit. */
const noLimitMs = 2 ** 31 - 1
/** Longer than any line of the script. */
const maxLineChars = 500

/**
 * A session with {@link script} in the container. Disposing of it ends the program, which then removes staged files.
 */
export class ExecSession implements AsyncDisposable {
  readonly #task: RouteQuery
  readonly #stdin = new PassThrough()
  readonly #ended: Promise<ExecResult>
  readonly #lines: string[] = []
  #rest = ""
  #waiting = Promise.withResolvers<void>()
  readonly #leaving = new AbortController()
  #isOver = false

  /**
   * `user`: in the engine's form; undefined for the container's own. `program`: another program that answers in lines.
   */
  constructor(task: RouteQuery, user: string | undefined, program = script) {
    this.#task = task
    const { engine, container, signal } = task
    this.#stdin.on("error", () => {})
    const follow = (): void => this.#leaving.abort(signal.reason)
    if (signal.aborted) follow()
    signal.addEventListener("abort", follow, { once: true })
    this.#ended = execIn(
      engine,
      container.id,
      {
        command: ["sh", "-c", program],
        ...(user === undefined ? {} : { user }),
        stdin: this.#stdin,
        timeoutMs: noLimitMs,
        onStdout: (bytes) => this.#read(bytes.toString("latin1")),
      },
      this.#leaving.signal,
    ).finally(() => {
      signal.removeEventListener("abort", follow)
      this.#isOver = true
      this.#waiting.resolve()
    })
    this.#ended.catch(() => {})
  }

  send(line: string, content?: Uint8Array): void {
    this.#stdin.write(`${line}\n`)
    if (content !== undefined && content.byteLength > 0) this.#stdin.write(content)
  }

  /** Returns the words of the next line. Throws the error that ended the program if there is none. */
  async answer(): Promise<string[]> {
    for (;;) {
      const line = this.#lines.shift()
      if (line !== undefined) return line.split(" ")
      if (this.#isOver) throw await this.endReason()
      await this.#waiting.promise
      if (!this.#isOver) this.#waiting = Promise.withResolvers()
    }
  }

  /** Returns the text of the program's stderr. Resolves when the session has ended. */
  async readStderr(): Promise<string> {
    this.#stdin.end()
    return (await this.#ended).stderr.toString("utf8").trim()
  }

  /** Returns the error that explains a missing or unexpected answer. Resolves when the session has ended. */
  async endReason(): Promise<unknown> {
    const { engine, container, signal } = this.#task
    let result: ExecResult | undefined
    let cause: unknown
    this.#stdin.end()
    try {
      result = await this.#ended
    } catch (error) {
      cause = error
      if (signal.aborted) return error
      // Newer engines answer with an error if there is no shell; older ones write it to the output.
      if (isPurserError(error, "ERR_DOCKER") && isNoShell(error.message)) return noShell(error.message)
      if (!isPurserError(error, "ERR_DOCKER_UNREACHABLE")) return error
    }
    if (result !== undefined && (result.exitCode === 126 || result.exitCode === 127))
      return noShell(result.stdout.toString("utf8"))
    const now = await inspectContainer(engine, container.id, signal)
    if (!now.state.running || now.state.startedAt !== container.state.startedAt)
      return new PurserError(
        "ERR_NOT_RUNNING",
        `the container ${quote(container.name)} has stopped or was restarted meanwhile`,
        { hint: "deliver again when it runs", cause },
      )
    if (result === undefined) return cause
    return new PurserError(
      "ERR_TARGET",
      `the shell in ${quote(container.name)} ended with exit code ${result.exitCode} before it was done: ${quote(result.stderr.toString("utf8").trim())}`,
      { hint: "137 usually means a lack of memory: run docker inspect and read the kernel's log" },
    )
  }

  /**
   * Leaves without waiting for the program's end, which would take as long as the copy itself. Call it once nothing is
   * staged.
   */
  leave(): void {
    this.#leaving.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stdin.end()
    await this.#ended.catch(() => {})
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n")
    this.#rest = lines.pop() ?? ""
    // The answers are untrusted, and parts of them appear in our messages.
    this.#lines.push(...lines.map((line) => escapeForTerminal(line.slice(0, maxLineChars))))
    if (lines.length > 0) this.#waiting.resolve()
  }
}

function isNoShell(text: string): boolean {
  return /executable file not found|no such file or directory/i.test(text)
}

function noShell(text: string): RouteUnsuitable {
  if (isNoShell(text)) return new RouteUnsuitable("there is no sh in it")
  return new RouteUnsuitable(`no sh can be started in it: ${escapeForTerminal(text.trim()).slice(0, 300)}`)
}
