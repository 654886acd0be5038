import { main as health } from "./health.ts"
import { main as node } from "./node.ts"

/** Entry of `dist/purser-node.mjs`: a node and its health check in one file. */
const argv = process.argv.slice(2)
const code = argv[0] === "health" ? await health(argv.slice(1), process.env) : await node(argv, process.env)
// Sockets of a session that is being torn down must not keep the process.
process.exit(code)
