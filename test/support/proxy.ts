import { once } from "node:events"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import type { TestContext } from "node:test"

/** The network between an agent and a node, which a test can cut or hold up, and places where nobody answers. */

export interface Proxy {
  readonly address: string
  /**
   * After so many more bytes from the dialler: destroys both sides, or passes on no more in either direction. With
   * `hold` each side still sees when the other one closes, with `stall` it does not.
   */
  after(bytes: number, what: "cut" | "stall" | "hold"): void
  /** Resolves when that has happened. */
  happened(): Promise<void>
  /** From now on everything passes again, over new connections. */
  mend(): void
}

export async function startProxy(t: TestContext, port: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let left = Number.POSITIVE_INFINITY
  let mode: "cut" | "stall" | "hold" = "cut"
  let done = Promise.withResolvers<void>()
  const server = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port })
    let dropping = false
    let deaf = false
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on("error", () => {})
      from.on("close", () => {
        sockets.delete(from)
        // The other side of a stalled connection hears nothing of it, as when a cable is pulled.
        if (!deaf) to.destroy()
      })
      from.on("data", (part) => {
        if (dropping) return
        if (from === near && (left -= part.length) <= 0) {
          left = Number.POSITIVE_INFINITY
          dropping = true
          deaf = mode === "stall"
          if (mode === "cut") {
            near.resetAndDestroy()
            far.resetAndDestroy()
          }
          done.resolve()
          return
        }
        to.write(part)
      })
    }
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = await listen(server)
  return {
    address,
    after(bytes, what) {
      left = bytes
      mode = what
      done = Promise.withResolvers()
    },
    happened: () => done.promise,
    mend() {
      left = Number.POSITIVE_INFINITY
    },
  }
}

/** Accepts and never says a word. `hosts` addresses that all lead to it: Linux answers for the whole of 127.0.0.0/8. */
export async function startTarpit(
  t: TestContext,
  hosts = 1,
): Promise<{ addresses: string[]; connections(): number }> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on("error", () => {}).on("close", () => sockets.delete(socket))
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const port = (await listen(server, "0.0.0.0")).split(":")[1]
  const addresses = Array.from(
    { length: hosts },
    (_, index) => `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}:${port}`,
  )
  return { addresses, connections: () => connections }
}

async function listen(server: Server, host = "127.0.0.1"): Promise<string> {
  server.listen({ host, port: 0 })
  await once(server, "listening")
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
