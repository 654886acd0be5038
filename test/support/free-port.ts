import { once } from "node:events"
import { createServer } from "node:net"

/** A port that nothing listened on a moment ago, on any address of this machine. */
export async function freePort(): Promise<number> {
  await using server = createServer().listen(0, "0.0.0.0")
  await once(server, "listening")
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("the server has no port")
  return address.port
}
