import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import { isPurserError, reasonOf } from "../../base/errors.ts"
import { silentLog, type Log } from "../../base/log.ts"
import type { AllowList } from "../allow-list.ts"
import { bind, type ListenAddress } from "../bind.ts"
import type { FrameReader } from "../frames.ts"
import { rejections, type Rejection } from "../peer-check.ts"
import { defaultLimits, type ChannelLimits } from "../limits.ts"
import { HandshakeQueue } from "../handshake-queue.ts"
import { Sessions } from "../sessions.ts"
import { asciiJson, sealMessage, unseal } from "./envelope.ts"
import { takeSessionKey } from "./key-exchange.ts"
import { readObjects } from "./json-lines.ts"
import { KeyPool } from "./key-pool.ts"
import {
  answerBytes,
  protocolError,
  randomFill,
  parseFluxvaultAnswer,
  segmentBytes,
  type FileAnswer,
} from "./messages.ts"

/**
 * The node's end of FluxVault's own protocol. The allow-list is mandatory and
 * checked before the first byte, because the protocol authenticates no agent.
 */

/** The node's end of a connection from an allowed address. */
export interface FluxvaultNodeChannel {
  readonly remoteAddress: string
  /**
   * Requests a file and waits for the answer; one call at a time, because the original agent treats one segment as one
   * message. `crc32` is that of the node's file, or 0 for none. Throws `ERR_PROTOCOL` for a name that is too long.
   */
  request(name: string, crc32: number, signal: AbortSignal): Promise<FileAnswer>
  /** Tells the agent that no more requests follow. */
  done(): void
}

export interface FluxvaultServerOptions {
  allow: AllowList
  limits?: ChannelLimits
  log?: Log
  /**
   * Runs one session, after which the connection ends. The signal aborts when the connection is lost, the session times
   * out, or the server closes.
   */
  onSession: (channel: FluxvaultNodeChannel, signal: AbortSignal) => Promise<void>
}

export interface FluxvaultServer extends AsyncDisposable {
  /** Resolves with the bound address. Throws `ERR_LISTEN`. */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Refuses new connections, ends the open ones, and resolves when their sessions have ended. */
  close(): Promise<void>
}

/** Reasons that are logged at `debug`, because a port scan or a health check causes them too. */
const debugReasons: ReadonlySet<Rejection> = new Set<Rejection>([
  "dropped",
  "handshake-timeout",
  "handshake-failed",
])

export function createFluxvaultServer(options: FluxvaultServerOptions): FluxvaultServer {
  const { allow, limits = defaultLimits, log = silentLog, onSession } = options
  const reject = (reason: Rejection, remoteAddress: string): void => {
    const why = reason === "handshake-failed" ? "it did not finish the key exchange" : rejections[reason]
    log[debugReasons.has(reason) ? "debug" : "warn"](`turned away ${remoteAddress}: ${why}`, { reason })
  }
  const pending = new HandshakeQueue({
    most: limits.pendingHandshakes,
    timeoutMs: limits.handshakeMs,
    onRejected: reject,
  })
  const sessions = new Sessions({ most: limits.sessions, timeoutMs: limits.sessionMs, log })
  const keys = new KeyPool(limits.sessions)
  // noDelay makes each message one segment, which the original agent needs.
  const server = createServer({ noDelay: true }, (socket) => void handle(socket))

  async function handle(socket: Socket): Promise<void> {
    const connection = pending.add(socket)
    if (connection === undefined) return
    const { remoteAddress } = connection
    const allowed = await allow.allows(remoteAddress)
    if (!connection.isPending()) return
    if (!allowed) return connection.reject("not-allowed")
    const sizes = { ...limits, frameBytes: segmentBytes + 1 }
    // An answer holds a whole secret and the line may be slow, so only the session's time limits it.
    const reader = readObjects(socket, sizes, { timeoutPerPart: true })
    const gone = new AbortController()
    socket.once("close", () => gone.abort(protocolError("the connection was lost")))
    try {
      const sessionKey = await exchange(socket, reader, gone.signal)
      if (pending.finish(socket) === undefined) return
      if (sessions.isFull) {
        socket.destroy()
        return reject("too-many-sessions", remoteAddress)
      }
      sizes.frameBytes = answerBytes(limits.secretBytes)
      const channel = { remoteAddress, ...openChannel(socket, reader, sessionKey) }
      sessions.start({ socket, reader, remoteAddress }, (signal) => onSession(channel, signal))
    } catch (error) {
      if (connection.isPending() && !isPurserError(error, "ERR_UNREACHABLE"))
        log.warn(`key exchange with ${remoteAddress} failed: ${reasonOf(error)}`)
      connection.reject("handshake-failed")
    }
  }

  async function exchange(socket: Socket, reader: FrameReader, gone: AbortSignal): Promise<Buffer> {
    const { privateKey, publicKeyPem } = await keys.take(gone)
    socket.write(`${asciiJson({ State: "KEYSENT", PublicKey: publicKeyPem })}\n`)
    const sessionKey = takeSessionKey(privateKey, await reader.next())
    socket.write(
      `${asciiJson(sealMessage(sessionKey, { State: "STARTAES", Text: "Test", fill: randomFill() }))}\n`,
    )
    const test = unseal(sessionKey, await reader.next())
    if (test["State"] !== "STARTAES" || test["Text"] !== "Passed")
      throw protocolError("the agent did not confirm the session key")
    return sessionKey
  }

  async function close(): Promise<void> {
    const stopped = server.listening ? once(server, "close") : undefined
    if (stopped !== undefined) server.close()
    keys.close()
    pending.close()
    await sessions.close()
    await stopped
  }

  return { listen: (address) => bind(server, address), close, [Symbol.asyncDispose]: close }
}

function openChannel(
  socket: Socket,
  reader: FrameReader,
  sessionKey: Buffer,
): Pick<FluxvaultNodeChannel, "request" | "done"> {
  /** Sends a message without a newline, as the original node does. */
  const send = (message: Record<string, unknown>): void => {
    const text = asciiJson(sealMessage(sessionKey, { ...message, fill: randomFill() }))
    if (text.length > segmentBytes)
      throw protocolError(`a request would be longer than ${segmentBytes} bytes`)
    socket.write(text)
  }
  return {
    async request(name, crc32, signal) {
      send({ State: "REQUEST", FILE: name, crc32 })
      return parseFluxvaultAnswer(unseal(sessionKey, await reader.next({ signal })), name)
    },
    done: () => send({ State: "DONE" }),
  }
}
