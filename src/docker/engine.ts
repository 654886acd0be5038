import type { IncomingHttpHeaders } from "node:http"
import type { Duplex, Readable } from "node:stream"

/**
 * The connection to one container engine: finds it as the docker command does, agrees with it on a version of
 * the API, and turns its refusals into our errors. What the calls mean stands in the other files of this folder.
 * The API: https://docs.docker.com/reference/api/engine/version/v1.41/
 */

export interface Engine extends AsyncDisposable {
  /** As people write it: `unix:///var/run/docker.sock`. */
  readonly address: string
  /** A Unix socket or a named pipe of this machine. Its engine may still be in a machine of its own (Docker Desktop). */
  readonly isLocal: boolean
  /** What both sides speak: `1.41`. */
  readonly apiVersion: string
  /** Resolves with the response's head; the body must be read or destroyed. Throws what {@link EngineCall} says. */
  request(call: EngineCall): Promise<EngineResponse>
  /** The answer's JSON, at most 64 MiB (`ERR_LIMIT`). An empty answer is `undefined`. */
  json<T>(call: EngineCall): Promise<T>
  /** The connection itself, after the engine has answered a POST with 101 (or 200, as old ones did). */
  upgrade(call: EngineCall): Promise<Duplex>
}

/**
 * Throws `ERR_DOCKER_UNREACHABLE` where the connection fails, and for what the engine refuses, with its message,
 * `ERR_NO_SUCH_CONTAINER`, `ERR_NO_SUCH_IMAGE`, `ERR_NOT_RUNNING`, `ERR_CONTAINER_PAUSED` or `ERR_DOCKER`; the
 * HTTP status is what `statusOf` (refusal.ts) gives.
 */
export interface EngineCall {
  /** Default: GET. */
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "HEAD"
  /** Without the version: `/containers/json`. Names must be encoded by the caller. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  /** JSON, or bytes with their `contentType`. */
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
  /** `unix:///…`, `npipe://…`, `tcp://HOST[:PORT]`, `ssh://[USER@]HOST[:PORT]`; goes before everything in `env`. */
  readonly host?: string | undefined
  /** Of which DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH are read, as the docker command does. */
  readonly env: NodeJS.ProcessEnv
  /** The user's home directory, for `.docker`. */
  readonly home: string
  readonly signal: AbortSignal
}

/**
 * Finds the engine (`host` > DOCKER_HOST > DOCKER_CONTEXT > the current context > the default socket), asks it
 * for its version and agrees on one. Throws `ERR_DOCKER_UNREACHABLE`, `ERR_CONFIG` for a context or certificate
 * that cannot be read, `ERR_ADDRESS`, and `ERR_DOCKER` for an engine that is too old or is none.
 */
export async function connectEngine(options: ConnectOptions): Promise<Engine> {
  throw new Error(`not yet ${options.home}`)
}
