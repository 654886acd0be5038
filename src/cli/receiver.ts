import { main } from "./node.ts"

/** Entry of `dist/purser-node.mjs`: a node and its health check in one file. */
process.exitCode = await main(process.argv.slice(2), process.env)
// Sockets of a session that is being torn down must not keep the process.
process.exit()
