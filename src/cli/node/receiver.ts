import { main as health } from "./health.ts"
import { main as node } from "./node.ts"

/** The entry of `dist/purser-node.mjs`: a node and its health check in one file. */
const argv = process.argv.slice(2)
const code = argv[0] === "health" ? await health(argv.slice(1), process.env) : await node(argv, process.env)
// Exits at once, because sockets that are still closing would keep the process alive.
process.exit(code)
