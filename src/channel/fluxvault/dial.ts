import { formatHostPort } from "../../base/net-address.ts"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { PurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import { TimeLimit } from "../../base/time-limit.ts"
import { closeGracefully } from "../closing.ts"
import type { FrameReader } from "../frames.ts"
import { FrameWriter } from "../frame-writer.ts"
import { defaultLimits, type ChannelLimits } from "../limits.ts"
import { asciiJson, sealMessage, unseal } from "./envelope.ts"
import { readObjects } from "./json-lines.ts"
import { answerKey } from "./key-exchange.ts"
import {
  answerBytes,
  protocolError,
  randomFill,
  parseFluxvaultRequest,
  segmentBytes,
  type FileAnswer,
  type FileRequest,
} from "./messages.ts"

/**
 * The agent's end of FluxVault's own protocol: connects, agrees on a session key
 * with the server, and passes its requests to the caller, who decides what may
 * be sent. This protocol does not authenticate the server.
 */

export interface FluxvaultDialOptions {
  /** IP address or name. */
  host: string
  port: number
  limits?: ChannelLimits
  signal: AbortSignal
}

/** The agent's end of a connection. Disposing it flushes what was written and closes it. */
export interface FluxvaultAgentChannel extends AsyncDisposable {
  /**
   * Resolves with the node's next request, or null when the node is done. Throws `ERR_PROTOCOL`, `ERR_LIMIT`,
   * `ERR_TIMEOUT`, `ERR_UNREACHABLE`, or the signal's reason.
   */
  next(signal: AbortSignal): Promise<FileRequest | null>
  answer(request: FileRequest, answer: FileAnswer, signal: AbortSignal): Promise<void>
}

const closedEarlyHint = "check that the node's allow-list holds this agent's address"

/**
 * Resolves once both ends have proved that they have the same session key. Throws `ERR_UNREACHABLE`, `ERR_TIMEOUT`
 * (`handshakeMs`, which includes connecting), `ERR_PROTOCOL`, or the signal's reason.
 */
export async function connectToFluxvaultNode(options: FluxvaultDialOptions): Promise<FluxvaultAgentChannel> {
  const { host, port, limits = defaultLimits } = options
  options.signal.throwIfAborted()
  const address = formatHostPort(host, port)
  const socket = connect({ host, port, noDelay: true })
  socket.on("error", () => {}) // "close" follows, and the reader reports the reason
  const reader = readObjects(socket, { ...limits, frameBytes: segmentBytes + 1 }, { closedEarlyHint })
  using limit = new TimeLimit(options.signal, limits.handshakeMs)
  const { signal } = limit
  try {
    await connected(socket, address, signal)
    const sessionKey = await exchange(socket, reader, limits, signal)
    return new Channel(socket, reader, limits, sessionKey)
  } catch (error) {
    socket.destroy()
    if (!limit.isOver) throw error
    throw new PurserError(
      "ERR_TIMEOUT",
      `${address} did not finish a key exchange within ${limits.handshakeMs} ms`,
    )
  }
}

async function connected(socket: Socket, address: string, signal: AbortSignal): Promise<void> {
  try {
    await once(socket, "connect", { signal })
  } catch (error) {
    signal.throwIfAborted()
    const reason = reasonOf(error) || systemErrorCode(error)
    throw new PurserError("ERR_UNREACHABLE", `${address} cannot be reached: ${reason}`, { cause: error })
  }
}

async function exchange(
  socket: Socket,
  reader: FrameReader,
  limits: ChannelLimits,
  signal: AbortSignal,
): Promise<Buffer> {
  const wait = { signal, timeoutMs: limits.handshakeMs }
  const { sessionKey, message } = answerKey(await reader.next(wait))
  socket.write(`${asciiJson(message)}\n`)
  const test = unseal(sessionKey, await reader.next(wait))
  if (test["State"] !== "STARTAES" || test["Text"] !== "Test")
    throw protocolError("the node did not test the session key")
  const passed = { State: "STARTAES", Text: "Passed", fill: randomFill() }
  socket.write(`${asciiJson(sealMessage(sessionKey, passed))}\n`)
  return sessionKey
}

class Channel implements FluxvaultAgentChannel {
  readonly #socket: Socket
  readonly #reader: FrameReader
  readonly #writer: FrameWriter
  readonly #limits: ChannelLimits
  readonly #sessionKey: Buffer
  #requests = 0

  constructor(socket: Socket, reader: FrameReader, limits: ChannelLimits, sessionKey: Buffer) {
    this.#socket = socket
    this.#reader = reader
    this.#limits = limits
    this.#sessionKey = sessionKey
    this.#writer = new FrameWriter(socket, { ...limits, frameBytes: answerBytes(limits.secretBytes) })
  }

  async next(signal: AbortSignal): Promise<FileRequest | null> {
    const { sessionMs, requests } = this.#limits
    // The node writes its files before it sends DONE, so this may take as long as the session.
    const message = await this.#reader.next({ signal, timeoutMs: sessionMs })
    const request = parseFluxvaultRequest(unseal(this.#sessionKey, message))
    if (request !== null && ++this.#requests > requests)
      throw new PurserError("ERR_LIMIT", `the node made more than ${requests} requests`)
    return request
  }

  async answer(request: FileRequest, { status, body }: FileAnswer, signal: AbortSignal): Promise<void> {
    const { name, crc32, fill: filling } = request
    const message = {
      State: "DATA",
      FILE: name,
      crc32,
      ...(filling === undefined ? {} : { fill: filling }),
      Body: body,
      Status: status,
    }
    await this.#writer.write(sealMessage(this.#sessionKey, message), { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeGracefully(this.#socket, this.#reader)
  }
}
