import type { ChildProcess } from "node:child_process"
import type { Duplex } from "node:stream"
import { waitingFor } from "./situation.ts"

/**
 * Resolves once the connection is closed, in whichever way it ends. `once(socket, "close")` rejects on the
 * ECONNRESET of a peer that hangs up before it has read everything, and waits forever for a socket that is closed already.
 */
export async function ended(socket: Duplex): Promise<void> {
  if (socket.closed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  // A listener of its own, because an error that nobody listens to ends the process.
  socket.once("error", () => {}).once("close", () => resolve())
  await waitingFor("a connection's end", promise)
}

/** Resolves with the exit code or the signal, also of a process that has ended already. Rejects when it could not be started. */
export async function exited(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (child.exitCode !== null || child.signalCode !== null) resolve()
  else child.once("error", reject).once("exit", () => resolve())
  await waitingFor(`the end of process ${child.pid}`, promise)
  return child.exitCode ?? child.signalCode ?? "SIGKILL"
}
