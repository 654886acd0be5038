import type { TLSSocket } from "node:tls"
import type { FrameReader, FrameWriter } from "./frames.ts"
import type { Identity } from "./identity.ts"
import type { ChannelLimits } from "./limits.ts"
import type { Pin } from "./pin.ts"

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
 * Connects, and checks what can be checked before the first frame. The node may still have rejected us: that shows only
 * at the first `reader.next()`. Throws `ERR_UNREACHABLE`, `ERR_TIMEOUT`, `ERR_UNTRUSTED`, `ERR_PROTOCOL`, or the signal's reason.
 */
export function connectToNode(_options: DialOptions): Promise<AgentChannel> {
  throw new Error("not written yet")
}
