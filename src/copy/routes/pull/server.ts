import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { isIP, type AddressInfo } from "node:net"
import { PurserError, reasonOf } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"

/** Serves each body once, under a path that cannot be guessed, and answers every other request with 404. */

export interface Offer {
  readonly url: string
  /** Returns whether the body was requested. */
  readonly wasFetched: () => boolean
  /**
   * Resolves once the whole body was sent. Rejects with `ERR_TIMEOUT`, `ERR_UNREACHABLE` for an interrupted download,
   * and `ERR_INTERRUPTED` when the server is disposed of.
   */
  readonly done: Promise<void>
}

interface PendingDownload {
  readonly body: Buffer
  readonly timer: NodeJS.Timeout
  readonly settle: (error?: Error) => void
  isFetched: boolean
}

const offerMs = 30_000

export class PullServer implements AsyncDisposable {
  readonly #server: Server
  readonly #origin: string
  readonly #offers = new Map<string, PendingDownload>()
  /** Offers whose body is being sent. */
  readonly #sending = new Set<PendingDownload>()

  private constructor(server: Server, origin: string) {
    this.#server = server
    this.#origin = origin
    server.on("request", (request: IncomingMessage, response: ServerResponse) =>
      this.#answer(request, response),
    )
  }

  /**
   * Listens on an address of this machine, `HOST`, `HOST:PORT` or `[IPV6]:PORT`. Throws `ERR_ADDRESS` and `ERR_LISTEN`.
   */
  static async open(address: string, signal: AbortSignal): Promise<PullServer> {
    const { host, port } = parseAddress(address)
    const server = createServer({ keepAlive: false, maxHeaderSize: 4096 })
    // A client that connects and sends nothing may not delay a copy.
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
        `cannot listen on ${quote(address)}, where the container would download from: ${reasonOf(error)}`,
        {
          hint: "give --serve-address an address of this machine that the container can reach",
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
    const waiting: PendingDownload = {
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
        const message = `the file was not downloaded within ${limitMs / 1000} s`
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
    // Deleted first, so that no second request gets the body, even if this one is interrupted.
    this.#offers.delete(request.url ?? "")
    waiting.isFetched = true
    this.#sending.add(waiting)
    response.on("finish", () => waiting.settle())
    response.on("close", () =>
      waiting.settle(new PurserError("ERR_UNREACHABLE", "the download was interrupted")),
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
    const closed = new PurserError("ERR_INTERRUPTED", "the download was cancelled")
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
    throw new PurserError("ERR_ADDRESS", `${quote(address)} is not an address to listen on`, {
      hint: "write HOST, HOST:PORT or [IPV6]:PORT",
    })
  if (host === "0.0.0.0" || /^[0:]+$/.test(host))
    throw new PurserError(
      "ERR_ADDRESS",
      `${quote(address)} is not an address that a container could download from`,
      {
        hint: "give the address of this machine that the container can reach",
      },
    )
  return { host, port: Number(port) }
}
