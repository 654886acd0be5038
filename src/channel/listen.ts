import type { Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import type { Log } from "../base/log.ts"
import type { AllowList } from "./allow-list.ts"
import type { FrameReader, FrameWriter } from "./frames.ts"
import type { Rejection } from "./gate.ts"
import type { Identity } from "./identity.ts"
import type { ChannelLimits } from "./limits.ts"
import type { Pin } from "./pin.ts"

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
  onRejected?: (reason: Rejection, remoteAddress: string) => void
}

export interface ChannelServer extends AsyncDisposable {
  /** Resolves with the address taken (port 0 asks for a free one). */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>
  /** Takes over a TCP connection that an application's own server accepted. */
  handle(socket: Socket): void
  /** Where it listens, or null. */
  readonly address: { host: string; port: number } | null
  /** Refuses new connections, ends those there are, and resolves when their sessions have ended. */
  close(): Promise<void>
}

export function createChannelServer(_options: ChannelServerOptions): ChannelServer {
  throw new Error("not written yet")
}
