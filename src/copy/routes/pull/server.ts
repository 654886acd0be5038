import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { isIP, type AddressInfo } from "node:net"
import { PurserError, reasonOf } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"

/** Serves each body once, under a path that cannot be guessed, and to everything else says 404. */

export interface Offer {
  readonly url: string
  /** Whether somebody has asked for it. */
  readonly wasFetched: () => boolean
  /** Resolves once the whole body was sent. Rejects with `ERR_TIMEOUT` and, for a download that broke off, `ERR_UNREACHABLE`. */
  readonly done: Promise<void>
}

interface Waiting {
  readonly body: Buffer
  readonly timer: NodeJS.Timeout
  readonly settle: (error?: Error) => void
  isFetched: boolean
}

const offerMs = 30_000

export class PullServer implements AsyncDisposable {
  readonly #server: Server
  readonly #origin: string
  readonly #offers = new Map<string, Waiting>()
  /** Those whose body is being sent. */
  readonly #sending = new Set<Waiting>()

  private constructor(server: Server, origin: string) {
    this.#server = server
    this.#origin = origin
    server.on("request", (request: IncomingMessage, response: ServerResponse) =>
      this.#answer(request, response),
    )
  }

  /** `address`: one of this machine's, `HOST`, `HOST:PORT` or `[IPV6]:PORT`. Throws `ERR_ADDRESS` and `ERR_LISTEN`. */
  static async open(address: string, signal: AbortSignal): Promise<PullServer> {
    const { host, port } = parseAddress(address)
    const server = createServer({ keepAlive: false, maxHeaderSize: 4096 })
    // Nobody who connects and says nothing may hold a copy up.
    server.headersTimeout = server.requestTimeout = 5000
    server.maxConnections = 64
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once("error", reject).listen({ host, port, signal }, resolve)
    const stop = (): void => reject(signal.reason)
    signal.addEventListener("abort", stop, { once: true })
    try {
      signal.throwIfAborted()
      await promise
    } catch (error) {
      server.close()
      signal.throwIfAborted()
      throw new PurserError(
        "ERR_LISTEN",
        `cannot serve on ${quote(address)}, where the container would fetch from: ${reasonOf(error)}`,
        {
          hint: "--serve-address takes an address of this machine that the container can reach",
          cause: error,
        },
      )
    } finally {
      signal.removeEventListener("abort", stop)
    }
    server.on("error", () => {})
    const real = (server.address() as AddressInfo).port
    return new PullServer(server, `http://${isIP(host) === 6 ? `[${host}]` : host}:${real}`)
  }

  offer(body: Buffer, limitMs = offerMs): Offer {
    const path = `/${randomBytes(32).toString("base64url")}`
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => {})
    const waiting: Waiting = {
      body,
      isFetched: false,
      settle: (error) => {
        clearTimeout(waiting.timer)
        this.#offers.delete(path)
        this.#sending.delete(waiting)
        if (error === undefined) resolve()
        else reject(error)
      },
      timer: setTimeout(() => {
        const message = `the download was not made within ${limitMs / 1000} s`
        waiting.settle(new PurserError("ERR_TIMEOUT", message, { hint: "ask for another URL" }))
      }, limitMs),
    }
    this.#offers.set(path, waiting)
    return { url: this.#origin + path, wasFetched: () => waiting.isFetched, done: promise }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => {})
    const waiting = this.#offers.get(request.url ?? "")
    if (waiting === undefined || request.method !== "GET") {
      response.writeHead(404, { connection: "close", "content-length": 0 }).end()
      return
    }
    // Before anything else: no second one gets it, also when this one breaks off.
    this.#offers.delete(request.url ?? "")
    waiting.isFetched = true
    this.#sending.add(waiting)
    response.on("finish", () => waiting.settle())
    response.on("close", () =>
      waiting.settle(new PurserError("ERR_UNREACHABLE", "the download broke off before its end")),
    )
    const headers = {
      "content-type": "application/octet-stream",
      "content-length": waiting.body.byteLength,
      "cache-control": "no-store",
      connection: "close",
    }
    response.writeHead(200, headers).end(waiting.body)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new PurserError("ERR_INTERRUPTED", "the download was taken back")
    for (const waiting of [...this.#offers.values(), ...this.#sending]) waiting.settle(closed)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }
}

function parseAddress(address: string): { host: string; port: number } {
  const [, bracketed, plain, port = "0"] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?$/.exec(address) ?? []
  const host = isIP(address) === 6 ? address : (bracketed ?? plain)
  if (host === undefined || Number(port) > 65_535)
    throw new PurserError("ERR_ADDRESS", `${quote(address)} is no address to serve on`, {
      hint: "HOST, HOST:PORT or [IPV6]:PORT",
    })
  if (host === "0.0.0.0" || /^[0:]+$/.test(host))
    throw new PurserError(
      "ERR_ADDRESS",
      `${quote(address)} is no address that a container could fetch from`,
      {
        hint: "give the one address of this machine that it can reach",
      },
    )
  return { host, port: Number(port) }
}
