import { once } from "node:events"
import { createServer as createHttpServer, type RequestListener } from "node:http"
import { readFile } from "node:fs/promises"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import { homedir } from "node:os"
import { join } from "node:path"
import type { Duplex } from "node:stream"
import type { TestContext } from "node:test"
import { createServer as createTlsServer } from "node:tls"
import { connectEngine, type Engine } from "../../src/docker/engine.ts"
import { tempDir } from "../support/temp.ts"

/** The real engine, proxies to it that a test can watch and cut, and servers that only pose as an engine. */

/** Connects to the engine of the tests' docker command, or to the one at `host`; closed after the test. */
export async function openEngine(t: TestContext, host?: string): Promise<Engine> {
  const engine = await connectEngine({ host, env: process.env, home: homedir(), signal: t.signal })
  t.after(() => engine[Symbol.asyncDispose]())
  return engine
}

export const realSocket = (process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", "")

export interface EngineProxy {
  readonly address: string
  /** First lines of the requests that passed. */
  readonly requests: readonly string[]
  /** The number of connections so far. */
  connections(): number
  /** Resolves when no connection is open. */
  idle(): Promise<void>
  /** Destroys both sides of every open connection. */
  cut(): void
  /** Whether new connections are closed at once. */
  refuse(isRefusing: boolean): void
}

export interface ProxyOptions {
  /** The address to listen on with a port, instead of a socket. */
  readonly host?: string
  /** A directory made by makeCertificates: listen with TLS, and ask the client for its certificate. */
  readonly tls?: string
  /** The engine's socket. */
  readonly path?: string
}

/** Starts a proxy on a socket or port in front of the real engine's socket. */
export async function startEngineProxy(
  t: TestContext,
  { host, tls, path = realSocket }: ProxyOptions = {},
): Promise<EngineProxy> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  let [isRefusing, connections] = [false, 0]
  let idle = Promise.withResolvers<void>()
  const serve = (near: Socket): void => {
    if (isRefusing) return void near.destroy()
    connections++
    const far = connect({ path, allowHalfOpen: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on("error", () => {})
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
        if (sockets.size === 0) {
          idle.resolve()
          idle = Promise.withResolvers()
        }
      })
      from.pipe(to)
    }
    near.on("data", (part: Buffer) => {
      const [line] = /^(?:GET|HEAD|POST|PUT|DELETE) \S+(?= HTTP\/1)/.exec(part.toString("latin1")) ?? []
      if (line !== undefined) requests.push(line)
    })
  }
  const server =
    tls === undefined
      ? createServer({ allowHalfOpen: true }, serve)
      : createTlsServer(
          {
            allowHalfOpen: true,
            ca: await readFile(join(tls, "ca.pem")),
            cert: await readFile(join(tls, "server-cert.pem")),
            key: await readFile(join(tls, "server-key.pem")),
            requestCert: true,
          },
          serve,
        )
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(() => (cut(), server.close()))
  const socket = join(await tempDir(t), "engine.sock")
  await once(host === undefined ? server.listen(socket) : server.listen(0, host), "listening")
  const address =
    host === undefined ? `unix://${socket}` : `tcp://${host}:${(server.address() as AddressInfo).port}`
  return {
    address,
    requests,
    connections: () => connections,
    idle: () => (sockets.size === 0 ? Promise.resolve() : idle.promise),
    cut,
    refuse: (value) => void (isRefusing = value),
  }
}

/**
 * Starts a server that answers `/_ping` as an engine does, and the rest by `answer` and `upgrade`. Resolves with its
 * address.
 */
export async function startFakeEngine(
  t: TestContext,
  answer: RequestListener,
  apiVersion = "1.41",
  upgrade?: (socket: Duplex) => void,
): Promise<string> {
  const path = join(await tempDir(t), "fake.sock")
  const server = createHttpServer((request, response) => {
    if (request.url !== "/_ping" || apiVersion === "") return answer(request, response)
    return response.setHeader("Api-Version", apiVersion).end("OK")
  })
  if (upgrade !== undefined) server.on("upgrade", (_request, socket) => upgrade(socket))
  t.after(() => (server.closeAllConnections(), server.close()))
  await once(server.listen(path), "listening")
  return `unix://${path}`
}

/** Starts a server that sends these bytes to every client. Resolves with its address. */
export async function startBabbler(t: TestContext, bytes: string | Uint8Array): Promise<string> {
  const path = join(await tempDir(t), "babbler.sock")
  const server = createServer((socket) => socket.on("error", () => {}).end(bytes))
  t.after(() => server.close())
  await once(server.listen(path), "listening")
  return `unix://${path}`
}
