import { X509Certificate } from "node:crypto"
import { constants } from "node:fs"
import { lstat, open, readdir, stat } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { quote } from "../../base/names.ts"
import type { CheckFinding } from "../finding.ts"

/**
 * Checks files of this host that a container mounts: private keys that others can read, and certificates that expire.
 */

const maxBytes = 256 * 1024
const maxFiles = 200
const maxEntries = 2000
const maxDirectories = 200
const maxDepth = 3
const isLinux = process.platform === "linux"
/** The open flags that inspect a file without opening it: O_PATH on Linux, for which Node has no constant. */
const openPathOnly = isLinux ? 0o10000000 : constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
const soonMs = 30 * 24 * 3_600_000
const likelyName =
  /\.(?:pem|key|crt|cer|cert|p8)$|(?:^|[_.-])(?:id_[a-z0-9]+|key|cert|certificate|tls|ssl)(?:$|[_.-])/i

/** Examines a file, or a directory to a limited depth and number of files. Unreadable paths are skipped. */
export async function hostFileFindings(path: string, now: Date = new Date()): Promise<CheckFinding[]> {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return []
  const isReachable = await othersMayEnter(dirname(path))
  if (stats.isFile()) return await fileFindings(path, { now, isReachable })
  if (!stats.isDirectory()) return []
  const found: CheckFinding[] = []
  // certbot's certificates are two directories down.
  const queue = [{ directory: path, depth: 0, isReachable: isReachable && mayEnter(stats.mode) }]
  let filesRemaining = maxFiles
  // The loop also visits the directories that it appends.
  for (const { directory, depth, isReachable: here } of queue) {
    for (const entry of (await readdir(directory, { withFileTypes: true }).catch(() => [])).slice(
      0,
      maxEntries,
    )) {
      const inside = join(directory, entry.name)
      // A link to a file is followed, because certbot's are links. A link to a directory is not: that is not mounted.
      if (entry.isDirectory() && depth < maxDepth && queue.length < maxDirectories) {
        const mode = (await lstat(inside).catch(() => null))?.mode ?? 0
        queue.push({ directory: inside, depth: depth + 1, isReachable: here && mayEnter(mode) })
      } else if (
        likelyName.test(entry.name) &&
        filesRemaining > 0 &&
        (entry.isFile() || entry.isSymbolicLink())
      ) {
        filesRemaining--
        found.push(...(await fileFindings(inside, { now, isReachable: here })))
      }
    }
  }
  return found
}

function mayEnter(mode: number): boolean {
  return (mode & 0o001) !== 0
}

/** Returns whether every user of this host can enter this directory and all its parents. */
async function othersMayEnter(directory: string): Promise<boolean> {
  for (let at = resolve(directory); ; at = dirname(at)) {
    const stats = await stat(at).catch(() => null)
    if (stats === null || !mayEnter(stats.mode)) return false
    if (at === dirname(at)) return true
  }
}

async function fileFindings(
  path: string,
  { now, isReachable }: { now: Date; isReachable: boolean },
): Promise<CheckFinding[]> {
  const file = await readSmall(path)
  if (file === null) return []
  const found: CheckFinding[] = []
  if (/-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/.test(file.text) && (file.mode & 0o004) !== 0) {
    found.push({
      rule: "readable-key",
      level: isReachable ? "error" : "note",
      message: `the private key ${quote(path)} can be read by every user ${isReachable ? "of this host" : "in the container"}`,
      fix: "run chmod o-r on it, or better keep it in Purser's store and deliver it into memory",
    })
  }
  for (const [pem] of file.text.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)) {
    const end = expiryOf(pem)
    if (end === null) continue
    const remainingMs = end.getTime() - now.getTime()
    if (remainingMs > soonMs) continue
    found.push({
      rule: "certificate",
      level: remainingMs <= 0 ? "error" : "warning",
      message: `a certificate in ${quote(path)} ${remainingMs <= 0 ? "has expired" : "expires"} on ${end.toISOString().slice(0, 10)}`,
      fix: "renew it, and deliver the new one with a reload",
    })
  }
  return found
}

/**
 * Reads a file as latin1, with its mode. Null for anything but a regular file, above 256 KiB, or without permission.
 */
export async function readSmall(path: string): Promise<{ text: string; mode: number } | null> {
  try {
    // The path is inspected before it is opened, because it may be a device, and opening a device can have effects.
    await using found = await open(path, openPathOnly)
    if (!(await found.stat()).isFile()) return null
    await using handle = isLinux ? await open(`/proc/self/fd/${found.fd}`, constants.O_RDONLY) : found
    const stats = await handle.stat()
    if (!stats.isFile() || stats.size > maxBytes) return null
    const bytes = Buffer.alloc(stats.size)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    return { text: bytes.toString("latin1", 0, bytesRead), mode: stats.mode }
  } catch {
    return null
  }
}

function expiryOf(pem: string): Date | null {
  try {
    return new X509Certificate(pem).validToDate
  } catch {
    return null
  }
}
