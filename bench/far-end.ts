/**
 * The other end of the deliveries, as a process of its own, so that its processor time can be told from the
 * agent's. One process stands for all nodes: it listens on every address of 127.0.0.0/8, and each address is a
 * node to the agent. It also answers the floor.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { createServer, type TLSSocket } from "node:tls"
import { silentLog } from "../src/base/log.ts"
import { createIdentity } from "../src/channel/identity.ts"
import { filesStep } from "../src/node/files-step.ts"
import { createNode } from "../src/node/node.ts"
import { tlsOptions } from "./floor.ts"
import { cpuMs } from "./measure.ts"

/** The kind of the next sessions: first deliveries, deliveries with nothing new, or one secret that is discarded. */
export type Mode = "fresh" | "settled" | "channel"
/** A mode, or how much processor time it took so far. */
export type Question = Mode | "cpu"

export interface Ready {
  readonly port: number
  readonly echoPort: number
}

const [enrolment = "", directory = ""] = process.argv.slice(2)
const identity = createIdentity()
let mode: Mode = "fresh"
let count = 0

const stepInto = (place: string) =>
  filesStep({ directory: place, runReload: async () => {}, log: silentLog, requireTmpfs: true })
const settled = stepInto(join(directory, "settled"))

const node = createNode({
  enrolment,
  identity,
  name: "bench",
  limits: { sessions: 1024, pendingHandshakes: 1024 },
  async steps(agent) {
    if (mode === "settled") return await settled(agent)
    if (mode === "fresh") return await stepInto(join(directory, `node-${count++}`))(agent)
    await agent.file("secret-0")
  },
})
const { port } = await node.listen({ host: "0.0.0.0", port: 0 })

const echo = createServer(
  { ...tlsOptions(identity), requestCert: true, rejectUnauthorized: false },
  (socket: TLSSocket) => {
    socket.on("error", () => {})
    socket.on("data", (line) => socket.end(line))
  },
)
echo.listen(0, "127.0.0.1", () => {
  const address = echo.address()
  if (typeof address === "object" && address !== null)
    process.send?.({ port, echoPort: address.port } satisfies Ready)
})

process.on("message", (question: Question) => {
  if (question === "cpu") {
    process.send?.(cpuMs())
    return
  }
  mode = question
  // Swept between the rounds, so that cleaning up after the measurement is no part of it.
  for (const entry of readdirSync(directory))
    if (entry.startsWith("node-")) rmSync(join(directory, entry), { recursive: true })
  process.send?.(0)
})
process.on("disconnect", () => process.exit(0))
mkdirSync(directory, { recursive: true })
