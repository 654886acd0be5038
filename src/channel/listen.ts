import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { silentLog, type Log } from "../base/log.ts"
import type { AllowList } from "./allow-list.ts"
import { bind, boundAddress, type ListenAddress } from "./bind.ts"
import { FrameWriter } from "./frame-writer.ts"
import { FrameReader } from "./frames.ts"
import { inspectPeer, rejections, type Peer, type Rejection } from "./peer-check.ts"
import type { Identity } from "./identity.ts"
import { SpkiCache } from "./spki-cache.ts"
import { defaultLimits, type ChannelLimits } from "./limits.ts"
import { HandshakeQueue } from "./handshake-queue.ts"
import { samePin, type Pin } from "./pin.ts"
import { Sessions } from "./sessions.ts"
import { createTlsServer, exporterOf } from "./tls.ts"

/**
 * The node's end of a connection: listens, or takes over connections of an
 * application's own server, admits only the pinned agent, and enforces the limits
 * against strangers. It may not read or write frames; the session does that.
 */

/** The node's end of a connection from the pinned agent. */
export interface NodeChannel {
  readonly socket: TLSSocket
  readonly agentPin: Pin
  readonly agentSpkiSha256: Buffer
  readonly exporter: Buffer
  readonly reader: FrameReader
  readonly writer: FrameWriter
  readonly remoteAddress: string
}

export interface ChannelServerOptions {
  identity: Identity
  /** Pins of the agents that are admitted. */
  agentPins: readonly Pin[]
  /** Default: every address may connect. */
  allow?: AllowList
  limits?: ChannelLimits
  log?: Log
  /**
   * Runs one session. When it resolves, the connection is flushed and ended; when it rejects, it is destroyed at once.
   * The signal aborts when the connection is lost, the session times out, or the server closes.
   */
  onSession: (channel: NodeChannel, signal: AbortSignal) => Promise<void>
  /** Called for every rejected peer, after the rejection is logged. */
  onRejected?: (reason: Rejection, remoteAddress: string) => void
}

export interface ChannelServer extends AsyncDisposable {
  /**
   * Resolves with the bound address (port 0 picks a free port). `::` includes IPv4, and falls back to `0.0.0.0` without
   * IPv6. Throws `ERR_LISTEN`.
   */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Takes over a TCP connection that an application's own server accepted. */
  handle(socket: Socket): void
  /** The address at which it listens, or null. */
  readonly address: ListenAddress | null
  /** Refuses new connections, ends the open ones, and resolves when their sessions have ended. */
  close(): Promise<void>
}

/** Reasons that are logged at `debug`, because anyone on the network can cause them at will. */
const debugReasons: ReadonlySet<Rejection> = new Set<Rejection>([
  "dropped",
  "handshake-timeout",
  "handshake-failed",
])

export function createChannelServer(options: ChannelServerOptions): ChannelServer {
  const { identity, agentPins, allow, limits = defaultLimits, log = silentLog, onSession } = options
  const reject = (reason: Rejection, remoteAddress: string): void => {
    log[debugReasons.has(reason) ? "debug" : "warn"](`turned away ${remoteAddress}: ${rejections[reason]}`, {
      reason,
    })
    options.onRejected?.(reason, remoteAddress)
  }
  const pending = new HandshakeQueue({
    most: limits.pendingHandshakes,
    timeoutMs: limits.handshakeMs,
    onRejected: reject,
  })
  const sessions = new Sessions({ most: limits.sessions, timeoutMs: limits.sessionMs, log })
  const tlsServer = createTlsServer(identity, limits.handshakeMs)
  const tcpServer = createServer({ noDelay: true }, handle)
  const knownAgents = new SpkiCache(16)
  let closed = false

  function handle(socket: Socket): void {
    if (closed) {
      socket.destroy()
      return
    }
    const connection = pending.add(socket)
    if (connection === undefined) return
    if (allow === undefined) {
      tlsServer.emit("connection", socket)
      return
    }
    const { remoteAddress } = connection
    void allow.allows(remoteAddress).then((allowed) => {
      // During the lookup it may have closed, or have been dropped for a newer one.
      if (!connection.isPending()) return
      if (allowed) tlsServer.emit("connection", socket)
      else connection.reject("not-allowed")
    })
  }

  // The peer check: everything in this handler is synchronous, so that no byte is read or written before it passes.
  tlsServer.on("secureConnection", (socket) => {
    // A connection that is destroyed here may still report an error, which would end the process.
    socket.on("error", () => {})
    const remoteAddress = pending.finish(socket)
    if (remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const peer = admit(socket)
    if (typeof peer === "string") {
      socket.destroy()
      reject(peer, remoteAddress)
      return
    }
    const reader = new FrameReader(socket, limits)
    const channel: NodeChannel = {
      socket,
      agentPin: peer.pin,
      agentSpkiSha256: peer.spkiSha256,
      exporter: exporterOf(socket),
      reader,
      writer: new FrameWriter(socket, limits),
      remoteAddress,
    }
    sessions.start(channel, (signal) => onSession(channel, signal))
  })

  function admit(socket: TLSSocket): Peer | Rejection {
    const peer = inspectPeer(socket, knownAgents)
    if (typeof peer === "string") return peer
    // Every pin is compared, so that the time does not reveal which one matches.
    const fits = agentPins.filter((pin) => samePin(pin, peer.pin)).length > 0
    if (!fits) return "wrong-pin"
    return sessions.isFull ? "too-many-sessions" : peer
  }

  async function close(): Promise<void> {
    closed = true
    const stopped = tcpServer.listening ? once(tcpServer, "close") : undefined
    if (stopped !== undefined) tcpServer.close()
    pending.close()
    await sessions.close()
    await stopped
  }

  return {
    listen: (address) => bind(tcpServer, address),
    handle,
    close,
    get address() {
      return boundAddress(tcpServer)
    },
    [Symbol.asyncDispose]: close,
  }
}
