import { once } from "node:events"
import type { TLSSocket } from "node:tls"
import type { FrameReader } from "./frames.ts"

/** How long a peer may take to close its side, in milliseconds. */
const lingerMs = 2000

/** Ends the connection after what was written has left, and resolves when it is closed. */
export async function closeGracefully(socket: TLSSocket, reader: FrameReader): Promise<void> {
  if (socket.closed) return
  const closed = once(socket, "close")
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  try {
    reader.discard()
    socket.end()
    await closed
  } catch {
    // An error on the way out; "close" follows it, and nobody waits for more.
    socket.destroy()
  } finally {
    clearTimeout(timer)
  }
}
