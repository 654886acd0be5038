import type { Socket } from "node:net"

/** How long a peer may take to close its side, in milliseconds. */
const lingerMs = 2000

/** What reads a connection, and can be told that nobody wants more of it. */
export interface Discarding {
  discard(): void
}

/** Ends the connection after what was written has left, and resolves when it is closed. */
export function closeGracefully(socket: Socket, reader: Discarding): Promise<void> {
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
