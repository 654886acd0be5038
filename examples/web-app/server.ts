/**
 * A web application that holds a node: one port for its visitors and for the agent. It answers 503 until it has
 * its password, and takes a new one without a restart. Nothing is written to a disk; the secret stays in memory.
 *
 *     PURSER_ENROL=purser1.web.… node examples/web-app/server.ts [PORT]
 */
import { createServer as createHttpServer } from "node:http"
import { createServer } from "node:net"
// In a project of your own: from "purser"
import { createLog, createNode, PurserError, type Secret } from "../../src/index.ts"

const [port = "8080"] = process.argv.slice(2)
let password: Secret | undefined

const node = createNode({
  enrolment: process.env["PURSER_ENROL"] ?? "",
  name: "web-app",
  log: createLog(process.stderr, { name: "web-app" }),
  async steps(agent) {
    const answer = await agent.file("db-password", { have: password?.digest ?? null })
    if (answer.status === "match") return { written: 0, unchanged: 1, missing: 0 }
    if (answer.status !== "sent") throw new PurserError("ERR_DELIVERY", `db-password: ${answer.status}`)
    password = answer.content
    return { written: 1, unchanged: 0, missing: 0 }
  },
})

const http = createHttpServer((_request, response) => {
  // A real application would connect to its database with password.revealText().
  if (password === undefined) response.writeHead(503).end("waiting for the password\n")
  else response.end(`ready, with a password of ${password.sizeBytes} bytes\n`)
})

/** The first byte of a TLS connection (RFC 8446 section 5.1), which no HTTP request begins with. */
const tlsHandshake = 0x16

const server = createServer((socket) => {
  socket.once("error", () => socket.destroy())
  socket.once("readable", () => {
    const first = socket.read(1) as Buffer | null
    if (first === null) return
    socket.unshift(first)
    if (first[0] === tlsHandshake) node.handle(socket)
    else http.emit("connection", socket)
  })
})
server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address()
  console.log(typeof address === "object" ? `127.0.0.1:${address?.port}` : address)
})
