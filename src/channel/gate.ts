import type { Pin } from "./pin.ts"

/** Why a peer was turned away, for logs. The peer is told nothing. */
export type Rejection =
  | "not-allowed"
  | "dropped"
  | "handshake-timeout"
  | "handshake-failed"
  | "not-tls-1.3"
  | "no-alpn"
  | "resumed"
  | "no-certificate"
  | "wrong-key-type"
  | "wrong-pin"
  | "too-many-sessions"

/** Who is at the other end. */
export interface Peer {
  readonly pin: Pin
  /** 32 bytes. */
  readonly spkiSha256: Buffer
}
