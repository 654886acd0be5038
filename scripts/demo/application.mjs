// Stands for an application: reads its password at the start and on SIGHUP, and notes what it read.
import { appendFileSync, readFileSync } from "node:fs"

const [passwordFile, diary] = process.argv.slice(2)
const note = (what) => appendFileSync(diary, `${what} with ${readFileSync(passwordFile, "utf8")}\n`)

process.on("SIGHUP", () => note("reloaded"))
process.on("SIGTERM", () => process.exit(0))
note("started")
setInterval(() => {}, 60_000)
