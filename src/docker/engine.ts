import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import type { Duplex, Readable } from "node:stream"
import { PurserError } from "../base/errors.ts"
import { escapeForTerminal } from "../base/escape.ts"
import { TimeLimit } from "../base/time-limit.ts"
import { readResponse } from "./body.ts"
import { findEndpoint } from "./endpoint.ts"
import { refusal } from "./refusal.ts"
import { Transport, type HttpAnswer } from "./transport.ts"

/**
 * The connection to one container engine: finds the engine as the docker command does, negotiates the API version,
 * and turns error responses into our errors. It knows no single call of the API: those stand in the other files of
 * this folder, and this folder knows nothing of secrets, apps or routes.
 * https://docs.docker.com/reference/api/engine/version/v1.41/
 */

/** The API version of Docker Engine 20.10. */
const oldestVersion = "1.41"
/** The newest API version that the fields we read were checked against. */
const newestVersion = "1.47"
const maxJsonBytes = 64 * 1024 * 1024
const connectMs = 10_000
/** Longer over ssh, which may ask the user for a key's passphrase. */
const sshConnectMs = 60_000

export interface Engine extends AsyncDisposable {
  /** The address as users write it: `unix:///var/run/docker.sock`. */
  readonly address: string
  /** `tcp` is without encryption. */
  readonly transport: "unix" | "npipe" | "tcp" | "tls" | "ssh"
  /** True for a Unix socket or a named pipe. The engine may still run in a virtual machine (Docker Desktop). */
  readonly isLocal: boolean
  /** The negotiated API version: `1.41`. */
  readonly apiVersion: string
  /**
   * Resolves with the response's head; the body must be read or destroyed. Throws the errors listed at {@link
   * EngineCall}.
   */
  request(call: EngineCall): Promise<EngineResponse>
  /** Resolves with the answer's JSON, or undefined for an empty answer. Throws `ERR_LIMIT` above 64 MiB as well. */
  json<T>(call: EngineCall): Promise<T>
  /**
   * Resolves with the connection itself, after the engine has answered a POST with 101. A named pipe cannot be
   * half-closed.
   */
  upgrade(call: EngineCall): Promise<Duplex>
}

/**
 * One call of the API. It throws `ERR_DOCKER_UNREACHABLE` when the connection fails. An error response becomes
 * `ERR_NO_SUCH_CONTAINER`, `ERR_NO_SUCH_IMAGE`, `ERR_NOT_RUNNING`, `ERR_CONTAINER_PAUSED` or `ERR_DOCKER` with the
 * engine's message; `statusOf` (refusal.ts) returns the HTTP status of such an error.
 */
export interface EngineCall {
  /** Default: GET. */
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "HEAD"
  /** The path without the version: `/containers/json`. The caller encodes names in it. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  /** A value to send as JSON, or bytes with their `contentType`. */
  readonly body?: unknown
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

export interface EngineResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

export interface ConnectOptions {
  /** `unix:///…`, `npipe://…`, `tcp://HOST[:PORT]`, `ssh://[USER@]HOST[:PORT]`; takes precedence over `env`. */
  readonly host?: string | undefined
  /**
   * DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_TLS, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are read from it.
   */
  readonly env: NodeJS.ProcessEnv
  /** The user's home directory, for `.docker`. */
  readonly home: string
  readonly signal: AbortSignal
}

/**
 * Finds the engine (`host` > DOCKER_HOST > DOCKER_CONTEXT > the current context > the default socket) and negotiates
 * the API version with it. Throws `ERR_DOCKER_UNREACHABLE`, `ERR_ADDRESS`, `ERR_CONFIG` for a context or certificate
 * that cannot be read, and `ERR_DOCKER` for an engine that is too old and for a server that is not an engine.
 */
export async function connectEngine({ host, env, home, signal }: ConnectOptions): Promise<Engine> {
  const endpoint = await findEndpoint({ host, env, home })
  const transport = new Transport(endpoint, env)
  try {
    return new HttpEngine(transport, await agreeOnVersion(transport, signal))
  } catch (error) {
    await transport[Symbol.asyncDispose]()
    throw error
  }
}

class HttpEngine implements Engine {
  readonly address: string
  readonly transport: Engine["transport"]
  readonly isLocal: boolean
  readonly apiVersion: string
  readonly #http: Transport

  constructor(http: Transport, apiVersion: string) {
    const { endpoint } = http
    this.address = endpoint.address
    this.transport = endpoint.kind === "tcp" && endpoint.tls !== undefined ? "tls" : endpoint.kind
    this.isLocal = endpoint.kind === "unix" || endpoint.kind === "npipe"
    this.apiVersion = apiVersion
    this.#http = http
  }

  async request(call: EngineCall): Promise<EngineResponse> {
    const answer = await this.#send(call, {})
    if (answer.socket === undefined) return await accept(call, answer.response)
    answer.socket.destroy()
    throw new PurserError("ERR_DOCKER", `the engine answered ${nameOf(call)} with another protocol`)
  }

  async json<T>(call: EngineCall): Promise<T> {
    const { body } = await this.request(call)
    const text = (await readResponse(body, maxJsonBytes, call.signal)).toString("utf8")
    try {
      return (text === "" ? undefined : JSON.parse(text)) as T
    } catch (error) {
      throw new PurserError("ERR_DOCKER", `the engine's answer to ${nameOf(call)} is not JSON`, {
        cause: error,
      })
    }
  }

  async upgrade(call: EngineCall): Promise<Duplex> {
    const post: EngineCall = { method: "POST", ...call }
    const answer = await this.#send(post, { connection: "Upgrade", upgrade: "tcp" })
    if (answer.socket !== undefined) return answer.socket
    const { body } = await accept(post, answer.response)
    body.destroy()
    throw new PurserError("ERR_DOCKER", `the engine did not switch protocols for ${nameOf(post)}`, {
      hint: "a proxy in front of the engine may block attached streams; use --route pull, which needs none",
    })
  }

  async #send(call: EngineCall, headers: Record<string, string>): Promise<HttpAnswer> {
    const { method = "GET", path, query = {}, body, signal } = call
    const pairs = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const search = pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`
    const isBytes = body instanceof Uint8Array
    const bytes = isBytes || body === undefined ? body : Buffer.from(JSON.stringify(body))
    const type: Record<string, string> =
      body === undefined
        ? {}
        : { "content-type": call.contentType ?? (isBytes ? "application/octet-stream" : "application/json") }
    return await this.#http.send({
      method,
      path: `/v${this.apiVersion}${path}${search}`,
      headers: { ...type, ...call.headers, ...headers },
      body: bytes,
      signal,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]()
  }
}

async function accept(call: EngineCall, response: IncomingMessage): Promise<EngineResponse> {
  const status = response.statusCode ?? 0
  if (status >= 200 && status < 300) return { status, headers: response.headers, body: response }
  // The engine answers 304 when the container is already started or stopped.
  if (status === 304) return { status, headers: response.headers, body: response }
  throw refusal(nameOf(call), status, await readErrorBody(response))
}

function nameOf({ method = "GET", path }: EngineCall): string {
  return `${method} ${escapeForTerminal(path)}`
}

/** Reads at most 64 KiB of an error response, enough for its message. */
async function readErrorBody(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let remaining = 64 * 1024
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part.subarray(0, remaining))
      remaining -= part.byteLength
      if (remaining <= 0) break
    }
  } catch {
    // Without a body the status alone becomes the message.
  }
  return Buffer.concat(parts).toString("utf8")
}

async function agreeOnVersion(http: Transport, outer: AbortSignal): Promise<string> {
  using limit = new TimeLimit(outer, http.endpoint.kind === "ssh" ? sshConnectMs : connectMs)
  const { address } = http.endpoint
  const call = { path: "/_ping", signal: limit.signal }
  try {
    const answer = await http.send({ ...call, method: "GET", headers: {}, body: undefined })
    if (answer.socket !== undefined) answer.socket.destroy()
    else {
      const { headers, body } = await accept(call, answer.response)
      await readResponse(body, 64 * 1024, limit.signal)
      const theirs = headers["api-version"]
      if (typeof theirs === "string" && /^\d+\.\d+$/.test(theirs)) return commonVersion(theirs, address)
    }
  } catch (error) {
    if (!limit.isOver) throw error
    throw new PurserError("ERR_DOCKER_UNREACHABLE", `the engine at ${address} does not answer`, {
      cause: error,
    })
  }
  throw new PurserError("ERR_DOCKER", `the server at ${address} is not a container engine`)
}

/** Returns the newest API version that both sides know. Throws `ERR_DOCKER` for an engine that is too old. */
export function commonVersion(theirs: string, address: string): string {
  if (isBefore(theirs, oldestVersion)) {
    throw new PurserError(
      "ERR_DOCKER",
      `the engine at ${address} speaks API ${theirs}, and ${oldestVersion} is needed`,
      { hint: "use Docker Engine 20.10 or newer" },
    )
  }
  return isBefore(newestVersion, theirs) ? newestVersion : theirs
}

function isBefore(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number)
  const [majorB = 0, minorB = 0] = b.split(".").map(Number)
  return majorA === majorB ? minorA < minorB : majorA < majorB
}
