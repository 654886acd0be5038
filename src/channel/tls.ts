import type { TLSSocket } from "node:tls"

/** 32 bytes of this connection (RFC 8446 section 7.5), the same at both ends and at no other connection. */
export function exporterOf(_socket: TLSSocket): Buffer {
  throw new Error("not written yet")
}

/** Key exchange group as the agent's end sees it: `X25519MLKEM768`, `X25519`. The node's end cannot tell. */
export function negotiatedGroup(_socket: TLSSocket): string {
  throw new Error("not written yet")
}
