import type { Socket } from "node:net"

/** How long the peer may take to close its side, in milliseconds. */
const lingerMs = 2000

/** A reader of a connection that can be told to ignore all further input. */
export interface Discardable {
  discard(): void
}

/** Flushes what was written, ends the connection, and resolves when it is closed. */
export function closeGracefully(socket: Socket, reader: Discardable): Promise<void> {
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
