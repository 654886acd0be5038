import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { Duplex } from "node:stream"
import { PurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { escapeForTerminal } from "../base/escape.ts"
import type { Endpoint } from "./endpoint.ts"

type SshEndpoint = Extract<Endpoint, { kind: "ssh" }>

/**
 * The standard streams of `ssh HOST docker system dial-stdio` as one connection, which is what the docker command
 * makes of ssh:// too. Keys, passwords and known hosts are ssh's own business.
 */
export class SshConnection extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #address: string
  #heard = false
  #complaint = ""

  constructor(endpoint: SshEndpoint, env: NodeJS.ProcessEnv) {
    super({ allowHalfOpen: true })
    this.#address = endpoint.address
    // A session of its own: Ctrl-C is for us to see, who may still have to clean up over this connection.
    this.#child = spawn("ssh", sshArguments(endpoint), { env, detached: true, stdio: "pipe" })
    const { stdin, stdout, stderr } = this.#child
    stdout.on("data", (part: Buffer) => {
      this.#heard = true
      if (!this.push(part)) stdout.pause()
    })
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-2000)
    })
    for (const stream of [stdin, stdout, stderr]) stream.on("error", () => {}) // "close" tells all
    this.#child.on("error", (error) => this.destroy(cannotStart(error)))
    this.#child.on("close", (code) => {
      if (this.#heard || code === 0) this.push(null)
      else this.destroy(this.#refused(code))
    })
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(part: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // An ssh that ended takes nothing more, and says why only in its last words.
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

  // What the HTTP agent asks of a socket when it keeps one for later.
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
    const lines = this.#complaint.trim().split(/\r?\n/)
    const why = escapeForTerminal(lines.slice(-3).join("; ")) || `ssh ended with ${code ?? "a signal"}`
    return new PurserError(
      "ERR_DOCKER_UNREACHABLE",
      `the engine at ${this.#address} cannot be reached: ${why}`,
      {
        hint: "try it by hand: ssh HOST docker system dial-stdio must connect without asking anything",
      },
    )
  }
}

export function sshArguments({ host, user, port, path }: SshEndpoint): string[] {
  return [
    "-o",
    "ConnectTimeout=30",
    // A connection that only listens for events must not die unseen.
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

/** The words go through a shell over there. */
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
