/**
 * Makes a fresh clone ready: dependencies as the lock file says, and a Node that runs Purser. Plain
 * JavaScript for the host's own Node, 18 or later; run before every npm script, so it returns at once when
 * there is nothing to do. It never changes package.json, the lock file or anything outside this directory.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join, relative } from "node:path"
import { bringNode, hasPinnedNode, npm, pinnedNodePath, root } from "./pinned-node.mjs"

const minimum = [24, 12]
const link = join(root, "node_modules", ".bin", "node")
const lock = join(root, ".cache", "bootstrap.lock")

/** Was node_modules installed from this very lock file? npm leaves its own record of what it installed. */
function dependenciesMatch() {
  let installed
  try {
    installed = JSON.parse(readFileSync(join(root, "node_modules", ".package-lock.json"), "utf8")).packages
  } catch {
    return false
  }
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue
    const found = installed[path]
    if (found) {
      if (found.version !== entry.version || found.integrity !== entry.integrity) return false
    } else if (!entry.optional || isForHere(entry)) return false
  }
  return Object.keys(installed).every((path) => path in wanted)
}

/**
 * An optional package is rightly absent where it is for another system. One that names none is a dependency
 * of such a one, and with `libc` there is a twin for the other libc: their absence says nothing.
 */
function isForHere({ os, cpu, libc }) {
  if (libc || (!os && !cpu)) return false
  return (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch))
}

function nodeIsOld() {
  const [major, minor] = process.versions.node.split(".").map(Number)
  return major < minimum[0] || (major === minimum[0] && minor < minimum[1])
}

/** A link is only ever made by us. Where there is one we may be running through it, so it says what the host needs. */
function linkState() {
  try {
    lstatSync(link)
  } catch {
    return "none"
  }
  let target = ""
  try {
    target = readlinkSync(link)
  } catch {
    // not a link: replaced below
  }
  return target === linkTarget() && existsSync(link) ? "good" : "stale"
}

/** Relative, so that the clone can be moved. */
function linkTarget() {
  return relative(dirname(link), pinnedNodePath(24))
}

/** In one rename, since others may be starting `node` by this very path. */
function linkNode() {
  mkdirSync(dirname(link), { recursive: true })
  const temporary = `${link}.${process.pid}`
  rmSync(temporary, { force: true })
  symlinkSync(linkTarget(), temporary)
  renameSync(temporary, link)
}

function wantsNode(state) {
  return state === "stale" || (state === "none" && (nodeIsOld() || process.execPath === pinnedNodePath(24)))
}

function nothingToDo() {
  return dependenciesMatch() && !wantsNode(linkState())
}

function work() {
  const wanted = linkState() !== "none" || wantsNode("none")
  if (wanted && !hasPinnedNode()) {
    console.error(
      `purser: this is Node ${process.versions.node}, and Purser needs ${minimum.join(".")} or later
hint: install Node 24 for ${process.platform} (nodejs.org, your package manager, or a version manager such as fnm or nvm), then try again`,
    )
    process.exit(1)
  }
  if (wanted) bringNode(24)
  if (!dependenciesMatch()) {
    console.error("purser: installing dependencies as package-lock.json says")
    npm(["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"], root)
  }
  if (wanted && linkState() !== "good") linkNode()
}

/** One at a time. The lock of a process that is gone is nobody's. */
function acquire() {
  mkdirSync(dirname(lock), { recursive: true })
  for (let told = false; ;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" })
      return
    } catch (error) {
      if (error.code !== "EEXIST") throw error
    }
    const holder = lockHolder()
    if (holder === "gone") {
      takeAway()
      continue
    }
    if (!told) console.error(`purser: waiting for another bootstrap (process ${holder})`)
    told = true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}

/** The process that holds the lock; "gone" if it does not run any more. */
function lockHolder() {
  try {
    const pid = Number(readFileSync(lock, "utf8"))
    // Empty for a moment between creation and writing.
    if (!pid) return Date.now() - lstatSync(lock).mtimeMs > 5_000 ? "gone" : "starting"
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return error.code === "ESRCH" ? "gone" : "unknown"
  }
}

/** Removes a dead process's lock; should another have taken the lock in that instant, gives it back. */
function takeAway() {
  const mine = `${lock}.${process.pid}`
  try {
    renameSync(lock, mine)
    const pid = Number(readFileSync(mine, "utf8"))
    if (pid && isAlive(pid)) renameSync(mine, lock)
    else rmSync(mine)
  } catch {
    // the other was faster
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== "ESRCH"
  }
}

if (!nothingToDo()) {
  acquire()
  process.on("exit", () => rmSync(lock, { force: true }))
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1))
  try {
    if (!nothingToDo()) work()
  } catch (error) {
    console.error(`purser: cannot make this clone ready: ${error.message}
hint: is the npm registry that npm is configured for reachable? (npm ping)`)
    process.exit(1)
  }
}
