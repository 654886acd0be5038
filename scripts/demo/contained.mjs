// Stands in for an application in a container: says which secrets it finds, and never what is in them.
import { readdirSync, watch } from "node:fs"

const directory = "/run/secrets"
const known = new Set()

function look() {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(".") || known.has(name)) continue
    known.add(name)
    console.log(`has ${name}`)
  }
}

process.on("SIGHUP", () => console.log(`read again: ${readdirSync(directory).join(" ")}`))
process.on("SIGTERM", () => process.exit(0))
watch(directory, look)
look()
