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

/** The agent's end: connects, checks what can be checked before the first frame, and hands over reader and writer. */

export interface DialOptions {
  /** IP address or name. */
  host: string
  port: number
  identity: Identity
  /** Offer nothing but post-quantum key exchange. */
  requirePq?: boolean
  limits?: ChannelLimits
  signal: AbortSignal
  /** Checked synchronously, before any read or write. Without it whoever answers is let through, and the caller decides by the first frame. */
  trust?: (pin: Pin) => boolean
}

/** The agent's end of a connection. Disposing closes it, after what was written has left. */
export interface AgentChannel extends AsyncDisposable {
  readonly socket: TLSSocket
  readonly peerPin: Pin
  readonly peerSpkiSha256: Buffer
  readonly exporter: Buffer
  /** Key exchange group: `X25519MLKEM768` or `X25519`. */
  readonly group: string
  readonly reader: FrameReader
  readonly writer: FrameWriter
}

/**
 * Resolves once the handshake is over and the node's identity is known. The node may still have turned us away: that
 * shows at the first `reader.next()`, so only a frame of the node's means that it accepted us. Throws `ERR_UNREACHABLE`,
 * `ERR_TIMEOUT` (`handshakeMs`, which counts connecting too), `ERR_PROTOCOL` (no TLS 1.3, no purser/1), `ERR_UNTRUSTED`,
 * `ERR_CONFIG` (no post-quantum key exchange here), or the signal's reason.
 */
export async function connectToNode(options: DialOptions): Promise<AgentChannel> {
  const { identity, requirePq = false, limits = defaultLimits, signal } = options
  signal.throwIfAborted()
  const place = formatHostPort(options.host, options.port)
  const socket = connectTls({ host: options.host, port: options.port, identity, requirePq })
  const { promise, resolve, reject } = Promise.withResolvers<AgentChannel>()
  const timer = setTimeout(() => {
    reject(
      new PurserError("ERR_TIMEOUT", `${place} did not finish a handshake within ${limits.handshakeMs} ms`),
    )
  }, limits.handshakeMs)
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  const onError = (error: unknown): void => reject(failedHandshake(place, requirePq, error))
  const onClose = (): void => reject(failedHandshake(place, requirePq, undefined))
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

/** As many as an agent is built for, and half as many again while their containers are replaced. */
const knownNodes = new SpkiCache(15_000)

function examine(socket: TLSSocket, options: DialOptions): Peer {
  const peer = inspectPeer(socket, knownNodes)
  const place = formatHostPort(options.host, options.port)
  if (typeof peer === "string") {
    const code = peer === "no-alpn" || peer === "not-tls-1.3" ? "ERR_PROTOCOL" : "ERR_UNTRUSTED"
    throw new PurserError(code, `${place} is not taken for a node: ${rejections[peer]}`, {
      hint: code === "ERR_PROTOCOL" ? "something that is not a Purser node answers there" : undefined,
    })
  }
  if (options.trust?.(peer.pin) === false) {
    throw new PurserError("ERR_UNTRUSTED", `${place} has the pin ${peer.pin}, which is not trusted`)
  }
  return peer
}

function openChannel(socket: TLSSocket, peer: Peer, limits: ChannelLimits): AgentChannel {
  const reader = new FrameReader(socket, limits, {
    closedEarlyHint:
      "the node may expect an agent with another pin, or be busy with other sessions; its log says which",
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

function failedHandshake(place: string, requirePq: boolean, error: unknown): PurserError {
  const code = systemErrorCode(error)
  if (code?.startsWith("ERR_SSL_") !== true) {
    // Several addresses that all fail make an AggregateError, which has a code but no message.
    const reason = error === undefined ? "the connection was closed" : reasonOf(error) || code
    return new PurserError("ERR_UNREACHABLE", `${place} cannot be reached: ${reason}`, { cause: error })
  }
  if (requirePq && code.includes("HANDSHAKE_FAILURE")) {
    return new PurserError(
      "ERR_UNTRUSTED",
      `${place} has no post-quantum key exchange, which require_pq asks for`,
      {
        hint: "run the node on a Node.js with OpenSSL 3.5 or newer, or take require_pq away",
        cause: error,
      },
    )
  }
  return new PurserError("ERR_PROTOCOL", `the TLS handshake with ${place} failed: ${code}`, {
    hint: "something that is not a Purser node may answer there",
    cause: error,
  })
}
