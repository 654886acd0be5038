import { formatHostPort } from "../base/net-address.ts"
import type { TLSSocket } from "node:tls"
import { PurserError, systemErrorCode, reasonOf } from "../base/errors.ts"
import { closeGracefully } from "./closing.ts"
import { FrameWriter } from "./frame-writer.ts"
import { FrameReader } from "./frames.ts"
import { inspectPeer, rejections, type Peer } from "./peer-check.ts"
import type { Identity } from "./identity.ts"
import { defaultLimits, type ChannelLimits } from "./limits.ts"
import { SpkiCache } from "./spki-cache.ts"
import type { Pin } from "./pin.ts"
import { connectTls, exporterOf, negotiatedGroup } from "./tls.ts"

/**
 * The agent's end of a connection: connects, checks the node's certificate and pin before the first frame, and hands
 * over reader and writer. It may not read or write a frame itself; the agent's session does that.
 */

export interface DialOptions {
  /** IP address or name. */
  host: string
  port: number
  identity: Identity
  /** Whether to offer only post-quantum key exchange. Default: false. */
  requirePq?: boolean
  limits?: ChannelLimits
  signal: AbortSignal
  /**
   * Decides about the node's pin, synchronously before any read or write. Without it any node passes, and the caller
   * decides by its first frame.
   */
  trust?: (pin: Pin) => boolean
}

/** The agent's end of a connection. Disposing it flushes what was written and closes it. */
export interface AgentChannel extends AsyncDisposable {
  readonly socket: TLSSocket
  readonly peerPin: Pin
  readonly peerSpkiSha256: Buffer
  readonly exporter: Buffer
  /** The key exchange group: `X25519MLKEM768` or `X25519`. */
  readonly group: string
  readonly reader: FrameReader
  readonly writer: FrameWriter
}

/**
 * Resolves once the handshake is over and the node's identity is known. The node may still refuse the agent, which
 * fails the first `reader.next()`: only a frame from the node proves that it accepted the agent. Throws
 * `ERR_UNREACHABLE`, `ERR_TIMEOUT` (`handshakeMs`, which includes connecting), `ERR_PROTOCOL` (no TLS 1.3, no purser/1),
 * `ERR_UNTRUSTED`, `ERR_CONFIG` (this Node.js lacks post-quantum key exchange), or the signal's reason.
 */
export async function connectToNode(options: DialOptions): Promise<AgentChannel> {
  const { identity, requirePq = false, limits = defaultLimits, signal } = options
  signal.throwIfAborted()
  const address = formatHostPort(options.host, options.port)
  const socket = connectTls({ host: options.host, port: options.port, identity, requirePq })
  const { promise, resolve, reject } = Promise.withResolvers<AgentChannel>()
  const timer = setTimeout(() => {
    reject(
      new PurserError("ERR_TIMEOUT", `${address} did not finish a handshake within ${limits.handshakeMs} ms`),
    )
  }, limits.handshakeMs)
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  const onError = (error: unknown): void => reject(failedHandshake(address, requirePq, error))
  const onClose = (): void => reject(failedHandshake(address, requirePq, undefined))
  socket.on("error", onError).on("close", onClose)
  socket.once("secureConnect", () => {
    try {
      resolve(openChannel(socket, examine(socket, options), limits))
    } catch (error) {
      reject(error)
    }
  })
  try {
    return await promise
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", onAbort)
    socket.off("close", onClose)
  }
}

/**
 * Caches keys of 10,000 nodes, for which an agent is built, and of half as many again while containers are replaced.
 */
const knownNodes = new SpkiCache(15_000)

function examine(socket: TLSSocket, options: DialOptions): Peer {
  const peer = inspectPeer(socket, knownNodes)
  const address = formatHostPort(options.host, options.port)
  if (typeof peer === "string") {
    const code = peer === "no-alpn" || peer === "not-tls-1.3" ? "ERR_PROTOCOL" : "ERR_UNTRUSTED"
    throw new PurserError(code, `the server at ${address} is refused: ${rejections[peer]}`, {
      hint: code === "ERR_PROTOCOL" ? "check host and port: this is not a Purser node" : undefined,
    })
  }
  if (options.trust?.(peer.pin) === false) {
    throw new PurserError("ERR_UNTRUSTED", `${address} has the pin ${peer.pin}, which is not trusted`)
  }
  return peer
}

function openChannel(socket: TLSSocket, peer: Peer, limits: ChannelLimits): AgentChannel {
  const reader = new FrameReader(socket, limits, {
    closedEarlyHint:
      "read the node's log: it may expect an agent with another pin, or have too many open sessions",
  })
  return {
    socket,
    peerPin: peer.pin,
    peerSpkiSha256: peer.spkiSha256,
    exporter: exporterOf(socket),
    group: negotiatedGroup(socket),
    reader,
    writer: new FrameWriter(socket, limits),
    [Symbol.asyncDispose]: () => closeGracefully(socket, reader),
  }
}

function failedHandshake(address: string, requirePq: boolean, error: unknown): PurserError {
  const code = systemErrorCode(error)
  if (code?.startsWith("ERR_SSL_") !== true) {
    // If all of several addresses fail, the error is an AggregateError, which has a code but no message.
    const reason = error === undefined ? "the connection was closed" : reasonOf(error) || code
    return new PurserError("ERR_UNREACHABLE", `${address} cannot be reached: ${reason}`, { cause: error })
  }
  if (requirePq && code.includes("HANDSHAKE_FAILURE")) {
    return new PurserError(
      "ERR_UNTRUSTED",
      `${address} has no post-quantum key exchange, which require_pq demands`,
      {
        hint: "run the node on a Node.js with OpenSSL 3.5 or newer, or remove require_pq",
        cause: error,
      },
    )
  }
  return new PurserError("ERR_PROTOCOL", `the TLS handshake with ${address} failed: ${code}`, {
    hint: "check host and port: this may not be a Purser node",
    cause: error,
  })
}
