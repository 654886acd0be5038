import type { TLSSocket } from "node:tls"
import type { SpkiCache } from "./spki-cache.ts"
import { protocol } from "./messages.ts"
import { pinOfHash, type Pin } from "./pin.ts"

/**
 * The check between a finished TLS handshake and the first byte read or
 * written. TLS itself admits a peer without a certificate, with a wrong one, or
 * without ALPN, so each end calls this first and synchronously in its
 * `secureConnection` or `secureConnect` handler.
 */

/** The reasons for rejecting a peer, for logs. The peer is told nothing. */
export const rejections = {
  "not-allowed": "its address is not on the allow-list",
  dropped: "too many handshakes were open and this was the oldest",
  "handshake-timeout": "it did not finish its handshake in time",
  "handshake-failed": "it did not finish a TLS 1.3 handshake",
  "not-tls-1.3": "it does not speak TLS 1.3",
  "no-alpn": `it does not ask for ${protocol}`,
  resumed: "it resumed an older TLS session",
  "no-certificate": "it showed no certificate",
  "wrong-key-type": "its key is not a P-256 key",
  "wrong-pin": "its pin is not the expected one",
  "too-many-sessions": "too many sessions are open",
} as const satisfies Record<string, string>

export type Rejection = keyof typeof rejections

/** The verified identity of the peer. */
export interface Peer {
  readonly pin: Pin
  /** 32 bytes. */
  readonly spkiSha256: Buffer
}

/**
 * Returns the peer's identity, or the reason to reject it. The caller must then decide about the pin, also
 * synchronously.
 */
export function inspectPeer(socket: TLSSocket, known: SpkiCache): Peer | Rejection {
  if (socket.getProtocol() !== "TLSv1.3") return "not-tls-1.3"
  if (socket.alpnProtocol !== protocol) return "no-alpn"
  // A resumed session only proves that the peer once held the key, and gives the dialling end no certificate.
  if (socket.isSessionReused()) return "resumed"
  // Called only once, because at the dialling end Node.js returns undefined from the second call on.
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return "no-certificate"
  const spkiSha256 = known.spkiSha256Of(certificate)
  if (spkiSha256 === undefined) return "wrong-key-type"
  return { pin: pinOfHash(spkiSha256), spkiSha256 }
}
