/**
 * Compiles every chunk, so that the executable need not. Runs in the very Node that will be in the executable,
 * because V8 refuses what another version compiled:
 *
 *   node scripts/executable/compile.ts DIRECTORY       writes DIRECTORY/cp.cjs.compiled beside each cp.cjs
 *
 * V8 compiles a function when it is first called, and keeps what it has compiled by the time that it is asked. So
 * some commands are run first, without any engine or network, and what they share is compiled already.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import type { Script } from "node:vm"
import { compileChunk, loaderOf } from "./chunks.ts"

const directory = resolve(process.argv[2] ?? ".")
const home = mkdtempSync(join(tmpdir(), "purser-compile-"))
const commands = [
  ["--help"],
  ["secret", "set", "one", "--generate", "32"],
  ["secret", "ls"],
  ["secret", "get", "one"],
  ["enrol", "web"],
  ["nodes", "ls"],
  ["agent", "--app", "web", "--secret", "one", "--directory", join(home, "files"), "--once"],
  ["cp", "/dev/null", "web:/run/secrets/"],
  ["run", "--help"],
  ["doctor"],
  ["ca", "init"],
  ["check"],
  ["audit", "verify"],
  ["config", "schema"],
  ["node", "--help"],
  ["health"],
]

const scripts = new Map<string, Script>()
const scriptOf = (name: string): Script => {
  const script = scripts.get(name) ?? compileChunk(name, readFileSync(join(directory, name), "utf8"))
  scripts.set(name, script)
  return script
}

try {
  process.chdir(home)
  process.env["DOCKER_HOST"] = `unix://${join(home, "no-engine.sock")}`
  process.env["PURSER_STATE"] = join(home, "state")
  process.setMaxListeners(0)
  for (const stream of [process.stdout, process.stderr]) stream.write = swallow
  for (const command of commands) await run(command)
  for (const name of readdirSync(directory)) if (name.endsWith(".cjs") && !scripts.has(name)) scriptOf(name)
  for (const [name, script] of scripts)
    writeFileSync(join(directory, `${name}.compiled`), script.createCachedData())
} finally {
  rmSync(home, { recursive: true, force: true })
}

/** Runs a command as if in a process of its own. What it returns, or fails with, does not matter. */
async function run(command: readonly string[]): Promise<void> {
  const { promise, resolve: ended } = Promise.withResolvers<void>()
  process.exit = ended as typeof process.exit
  process.argv.splice(2, Infinity, ...command)
  loaderOf(scriptOf)("main.cjs")
  await promise
}

function swallow(_text: unknown, encoding?: unknown, done?: unknown): true {
  for (const callback of [encoding, done]) if (typeof callback === "function") callback()
  return true
}
