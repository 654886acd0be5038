import type { TLSSocket } from "node:tls"
import type { FrameReader } from "./frames.ts"

/** How long a peer may take to close its side, in milliseconds. */
const lingerMs = 2000

/** Ends the connection after what was written has left, and resolves when it is closed. */
export function closeGracefully(socket: TLSSocket, reader: FrameReader): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) {
      resolve()
      return
    }
    const timer = setTimeout(() => socket.destroy(), lingerMs)
    socket.once("close", () => {
      clearTimeout(timer)
      resolve()
    })
    reader.discard()
    socket.end()
  })
}
