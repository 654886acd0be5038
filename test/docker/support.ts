import { once } from "node:events"
import { createServer as createHttpServer, type RequestListener } from "node:http"
import { connect, createServer, type Socket } from "node:net"
import { homedir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { connectEngine, type Engine } from "../../src/docker/engine.ts"
import { tempDir } from "../support/temp.ts"

/** The real engine, ways to it that a test can watch and cut, and servers that only say that they are one. */

/** The engine that the tests' docker command talks to, or the one at `host`. Closed after the test. */
export async function openEngine(t: TestContext, host?: string): Promise<Engine> {
  const engine = await connectEngine({ host, env: process.env, home: homedir(), signal: t.signal })
  t.after(() => engine[Symbol.asyncDispose]())
  return engine
}

export const realSocket = (process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", "")

export interface EngineProxy {
  readonly address: string
  /** First lines of the requests that came through. */
  readonly requests: readonly string[]
  /** Both sides of every connection that stands. */
  cut(): void
  /** Closes new connections at once. */
  refuse(isRefusing: boolean): void
}

/** A socket in front of the real engine's. */
export async function startEngineProxy(t: TestContext): Promise<EngineProxy> {
  const path = join(await tempDir(t), "engine.sock")
  const sockets = new Set<Socket>()
  const requests: string[] = []
  let isRefusing = false
  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (isRefusing) return void near.destroy()
    const far = connect({ path: realSocket, allowHalfOpen: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on("error", () => {}).on("close", () => (sockets.delete(from), to.destroy()))
      from.pipe(to)
    }
    near.on("data", (part: Buffer) => {
      const [line] = /^(?:GET|HEAD|POST|PUT|DELETE) \S+(?= HTTP\/1)/.exec(part.toString("latin1")) ?? []
      if (line !== undefined) requests.push(line)
    })
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(() => (cut(), server.close()))
  await once(server.listen(path), "listening")
  return { address: `unix://${path}`, requests, cut, refuse: (value) => (isRefusing = value) }
}

/** A server that answers `/_ping` as an engine does, and the rest as `answer` says. Resolves with its address. */
export async function startFakeEngine(
  t: TestContext,
  answer: RequestListener,
  apiVersion = "1.41",
): Promise<string> {
  const path = join(await tempDir(t), "fake.sock")
  const server = createHttpServer((request, response) => {
    if (request.url !== "/_ping" || apiVersion === "") return answer(request, response)
    return response.setHeader("Api-Version", apiVersion).end("OK")
  })
  t.after(() => (server.closeAllConnections(), server.close()))
  await once(server.listen(path), "listening")
  return `unix://${path}`
}

/** A server that sends these bytes to whoever connects. Resolves with its address. */
export async function startBabbler(t: TestContext, bytes: string | Uint8Array): Promise<string> {
  const path = join(await tempDir(t), "babbler.sock")
  const server = createServer((socket) => socket.on("error", () => {}).end(bytes))
  t.after(() => server.close())
  await once(server.listen(path), "listening")
  return `unix://${path}`
}
