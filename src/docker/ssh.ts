import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { Duplex } from "node:stream"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { escapeForTerminal } from "../base/escape.ts"
import type { Endpoint } from "./endpoint.ts"

type SshEndpoint = Extract<Endpoint, { kind: "ssh" }>

/**
 * The standard streams of `ssh HOST docker system dial-stdio` as one connection, as the docker command does for
 * ssh:// addresses. The ssh program handles keys, passwords and known hosts.
 */
export class SshConnection extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #address: string
  #hasOutput = false
  #stderrTail = ""

  constructor(endpoint: SshEndpoint, env: NodeJS.ProcessEnv) {
    super({ allowHalfOpen: true })
    this.#address = endpoint.address
    // The child gets its own session so that Ctrl-C does not end it: Purser may still have to clean up over it.
    this.#child = spawn("ssh", sshArguments(endpoint), { env, detached: true, stdio: "pipe" })
    const { stdin, stdout, stderr } = this.#child
    stdout.on("data", (part: Buffer) => {
      this.#hasOutput = true
      if (!this.push(part)) stdout.pause()
    })
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderrTail = (this.#stderrTail + text).slice(-2000)
    })
    for (const stream of [stdin, stdout, stderr]) stream.on("error", () => {}) // the child's "close" reports failures
    this.#child.on("error", (error) => this.destroy(cannotStart(error)))
    this.#child.on("close", (code) => {
      if (this.#hasOutput || code === 0) this.push(null)
      else this.destroy(this.#refused(code))
    })
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(part: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // A write error is ignored, because an ssh that ended gives its reason on stderr.
    this.#child.stdin.write(part, () => done())
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const stream of this.#child.stdio.slice(0, 3)) stream?.destroy()
    this.#child.kill()
    done(error)
  }

  // The HTTP agent calls these methods on a socket that it keeps for reuse.
  ref(): this {
    this.#child.ref()
    return this
  }
  unref(): this {
    this.#child.unref()
    return this
  }
  setKeepAlive(): this {
    return this
  }
  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }

  #refused(code: number | null): PurserError {
    const lines = this.#stderrTail.trim().split(/\r?\n/)
    const why = escapeForTerminal(lines.slice(-3).join("; ")) || `ssh ended with ${code ?? "a signal"}`
    return new PurserError(
      "ERR_DOCKER_UNREACHABLE",
      `the engine at ${this.#address} cannot be reached: ${why}`,
      {
        hint: "run ssh HOST docker system dial-stdio, which must connect without a prompt",
      },
    )
  }
}

export function sshArguments({ host, user, port, path }: SshEndpoint): string[] {
  return [
    "-o",
    "ConnectTimeout=30",
    // A connection that only listens for events must not break unnoticed.
    "-o",
    "ServerAliveInterval=30",
    "-T",
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "--",
    host,
    "docker",
    ...(path === undefined ? [] : ["--host", shellWord(`unix://${path}`)]),
    "system",
    "dial-stdio",
  ]
}

/** Quotes a word for the shell on the remote host. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function cannotStart(error: Error): PurserError {
  const isMissing = systemErrorCode(error) === "ENOENT"
  return new PurserError("ERR_DOCKER_UNREACHABLE", `ssh cannot be started: ${reasonOf(error)}`, {
    cause: error,
    ...(isMissing ? { hint: "install the OpenSSH client, or name the engine by another address" } : {}),
  })
}
