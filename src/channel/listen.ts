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
 * The node's end: listens, or takes over connections of an application's own
 * server, lets nobody but the pinned agent through, and keeps the limits that
 * hold strangers off. What is said in a session is not its business.
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
  /** Agents that are let in. */
  agentPins: readonly Pin[]
  /** Default: everybody may try. */
  allow?: AllowList
  limits?: ChannelLimits
  log?: Log
  /**
   * Runs one session. When it resolves, the connection ends after what was written has left; when it rejects, at once.
   * The signal is aborted when the connection is lost, the session's time is up, or the server closes.
   */
  onSession: (channel: NodeChannel, signal: AbortSignal) => Promise<void>
  /** Called for every peer that was turned away, after the log has its line. */
  onRejected?: (reason: Rejection, remoteAddress: string) => void
}

export interface ChannelServer extends AsyncDisposable {
  /** Resolves with the address taken (port 0 asks for a free one). `::` takes IPv4 too, and is `0.0.0.0` where there is no IPv6. Throws `ERR_LISTEN`. */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Takes over a TCP connection that an application's own server accepted. */
  handle(socket: Socket): void
  /** Where it listens, or null. */
  readonly address: ListenAddress | null
  /** Refuses new connections, ends those there are, and resolves when their sessions have ended. */
  close(): Promise<void>
}

/** What anybody on the network can cause at will belongs to `debug`; the rest is worth a line. */
const quiet: ReadonlySet<Rejection> = new Set<Rejection>(["dropped", "handshake-timeout", "handshake-failed"])

export function createChannelServer(options: ChannelServerOptions): ChannelServer {
  const { identity, agentPins, allow, limits = defaultLimits, log = silentLog, onSession } = options
  const reject = (reason: Rejection, remoteAddress: string): void => {
    log[quiet.has(reason) ? "debug" : "warn"](`turned away ${remoteAddress}: ${rejections[reason]}`, {
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
      // Meanwhile it may have gone, or have been dropped for a newer one.
      if (!connection.isPending()) return
      if (allowed) tlsServer.emit("connection", socket)
      else connection.reject("not-allowed")
    })
  }

  // The gate: everything in here until the session starts is synchronous.
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
    // Every pin is compared, so that the time says nothing about which one fits.
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
