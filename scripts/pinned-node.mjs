/**
 * Brings a Node of a known version from the npm registry into `.cache/node-VERSION/bin/node`, apart from
 * the package's own dependencies (it must never reach those who install purser). Plain JavaScript, since
 * the host's own Node, 18 or later, runs it.
 *
 *   node scripts/pinned-node.mjs 22 [x64|arm64]   prints the path of the binary, after bringing it if it is missing
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")
const cache = join(root, ".cache")

/**
 * 24 runs everything here. 22.0.0 is the oldest that the one-file receiver promises to run on, 18 one that
 * must be told, in words, that it is too old: the tests want both. npm checks the package against these digests.
 */
export const pins = {
  24: {
    version: "24.21.0",
    x64: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    arm64: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
  22: {
    version: "22.0.0",
    x64: "sha512-FP9r5Jp+/frkN6VJ6I1cyRFED54HRTPnijfiL50y1YUF6X25HrCziH1Jsk0/mB7rbs+ieyJAgKG62HN+l9Z1fw==",
    arm64: "sha512-SEOczmwk0islSy7Ggwh0uloYWErgNfcxwcHlMES5LM/y82RKAWDHMyHq2WiY6hF2JKOYVk7mMO119bRzlzvD6g==",
  },
  18: {
    version: "18.20.8",
    x64: "sha512-JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww==",
    arm64: "sha512-xTMJYtLdLjIimh8zRpgUDFsNknLP72AT/QWEQmeyDOM1/Gqj/GZn/MlbA+zWSjSMBxQscYvgFpq3qERMEcFEUA==",
  },
}

/** The path of the pinned Node of this major version, which need not exist yet. Each machine type has its own. */
export function pinnedNodePath(major, arch = process.arch) {
  const other = arch === process.arch ? "" : `-${arch}`
  return join(cache, `node-${pins[major].version}${other}`, "bin", "node")
}

/** Is there a pinned Node for this platform at all? */
export function hasPinnedNode() {
  return process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")
}

/** Runs npm in `cwd`: the same npm that runs us, where npm does. */
export function npm(args, cwd) {
  const own = process.env.npm_execpath ?? ""
  const [command, first] = /npm-cli\.[cm]?js$/.test(own) ? [process.execPath, [own]] : ["npm", []]
  // npm's output goes to stderr, because stdout is the command's result.
  const done = spawnSync(command, [...first, ...args], { cwd, stdio: ["ignore", 2, 2] })
  if (done.error) throw done.error
  if (done.status !== 0) throw new Error(`npm ${args[0]} ended with ${done.status ?? done.signal}`)
}

/** Returns the path of the pinned Node, brought first if it is missing. Safe to run twice at a time. */
export function bringNode(major, arch = process.arch) {
  const binary = pinnedNodePath(major, arch)
  if (existsSync(binary)) return binary
  if (!hasPinnedNode())
    throw new Error(`no Node ${major} is pinned for ${process.platform}-${process.arch}: install one`)
  const { version, [arch]: integrity } = pins[major]
  const name = `node-linux-${arch}`
  process.stderr.write(`purser: bringing Node ${version} (${name}) into .cache\n`)
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, "bring-"))
  try {
    // A package of its own with a lock file of its own, so that npm verifies the digest above.
    const dependencies = { [name]: version }
    const packages = { "": { dependencies }, [`node_modules/${name}`]: { version, integrity } }
    writeFileSync(join(work, "package.json"), JSON.stringify({ private: true, dependencies }))
    writeFileSync(
      join(work, "package-lock.json"),
      JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
    )
    const quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    // npm refuses what is for another machine, and before version 10 it does not know --cpu.
    const foreign = arch === process.arch ? [] : [`--cpu=${arch}`, "--force"]
    npm(["ci", "--prefix", work, ...foreign, ...quietly], work)
    const home = dirname(dirname(binary))
    try {
      renameSync(join(work, "node_modules", name), home)
    } catch (error) {
      if (!existsSync(binary)) throw error // else another bootstrap was faster, with the same bytes
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return binary
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const major = process.argv[2] ?? "24"
  if (!(major in pins)) {
    console.error(`purser: no Node ${major} is pinned, only ${Object.keys(pins).join(", ")}`)
    process.exit(2)
  }
  console.log(bringNode(major, process.argv[3]))
}
