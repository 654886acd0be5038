import type { ClientRequest, IncomingMessage } from "node:http"
import { connect } from "node:net"
import { addAbortSignal, type Duplex } from "node:stream"
import { systemErrorCode } from "../base/errors.ts"
import type { Endpoint } from "./endpoint.ts"
import { unreachable } from "./refusal.ts"
import { SshConnection } from "./ssh.ts"

/** HTTP to an engine over a socket, a named pipe, TCP, TLS or ssh. It knows nothing of the API. */

export interface HttpCall {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  readonly signal: AbortSignal
}

/** `socket` if the engine switched protocols; otherwise `response`, which must be read or destroyed. */
export type HttpAnswer =
  { readonly response: IncomingMessage; readonly socket?: never } | { readonly socket: Duplex }

// An import statement would evaluate every export of the module, and spend 10 ms on loading undici for fetch.
const { Agent, request } = process.getBuiltinModule("node:http")

const keepAliveMs = 30_000
const agentOptions = {
  keepAlive: true,
  keepAliveMsecs: keepAliveMs,
  // Otherwise Node checks whether the host of each request is an address, and compiles patterns for 3 ms. Our own
  // connections know the name for TLS.
  servername: "",
}

export class Transport implements AsyncDisposable {
  readonly endpoint: Endpoint
  readonly #agent: InstanceType<typeof Agent>
  readonly #connections = new Set<Duplex>()

  /** `env` becomes the environment of ssh. */
  constructor(endpoint: Endpoint, env: NodeJS.ProcessEnv) {
    this.endpoint = endpoint
    const open = (): Duplex => {
      const connection = dial(endpoint, env)
      this.#connections.add(connection)
      connection.once("close", () => this.#connections.delete(connection))
      return connection
    }
    this.#agent = new (class extends Agent {
      override createConnection(): Duplex {
        return open()
      }
    })(agentOptions)
  }

  /** Throws `ERR_DOCKER_UNREACHABLE`, `ERR_DOCKER` for an answer that is not HTTP, and the signal's reason. */
  async send(call: HttpCall): Promise<HttpAnswer> {
    call.signal.throwIfAborted()
    for (;;) {
      const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
      const sent = this.#start(call, resolve, reject)
      try {
        return await promise
      } catch (error) {
        call.signal.throwIfAborted()
        // The engine closed an idle connection just as it was reused, so the call is sent again.
        if (sent.reusedSocket && isHangUp(error) && (call.method === "GET" || call.method === "HEAD"))
          continue
        throw unreachable(this.endpoint, error)
      }
    }
  }

  #start(
    { method, path, headers, body, signal }: HttpCall,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: Error) => void,
  ): ClientRequest {
    const length: Record<string, string> =
      body === undefined ? {} : { "content-length": String(body.byteLength) }
    const sent = request({
      agent: this.#agent,
      method,
      path,
      headers: { host: hostHeader(this.endpoint), ...headers, ...length },
      signal,
    })
    sent.on("error", reject)
    sent.on("response", (response) => resolve({ response }))
    sent.on("upgrade", (_response, socket, head) => {
      if (head.byteLength > 0) socket.unshift(head)
      resolve({ socket: addAbortSignal(signal, socket) })
    })
    sent.end(body)
    return sent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    const closed = [...this.#connections].map((connection) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      connection.on("error", () => {}).once("close", resolve)
      connection.destroy()
      return promise
    })
    await Promise.all(closed)
  }
}

/** Returns a connection that may not be open yet; a failure to connect is an "error" event of the stream. */
function dial(endpoint: Endpoint, env: NodeJS.ProcessEnv): Duplex {
  switch (endpoint.kind) {
    case "unix":
    case "npipe":
      return connect({ path: endpoint.path })
    case "ssh":
      return new SshConnection(endpoint, env)
    case "tcp": {
      const { host, port, tls } = endpoint
      const where = { host, port, keepAlive: true, keepAliveInitialDelay: keepAliveMs, noDelay: true }
      if (tls === undefined) return connect(where)
      // Loaded here because it takes 10 ms, and only this kind of endpoint needs it.
      return process.getBuiltinModule("node:tls").connect({
        ...where,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: tls.key }),
        ...(isIpAddress(host) ? {} : { servername: host }),
        minVersion: "TLSv1.2",
        rejectUnauthorized: !tls.skipVerify,
      })
    }
  }
}

function isIpAddress(host: string): boolean {
  return /^[\d.]+$|:/.test(host)
}

function hostHeader(endpoint: Endpoint): string {
  if (endpoint.kind !== "tcp") return "docker"
  return `${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`
}

function isHangUp(error: unknown): boolean {
  const code = systemErrorCode(error)
  return code === "ECONNRESET" || code === "EPIPE"
}
