import { X509Certificate } from "node:crypto"
import { constants } from "node:fs"
import { lstat, open, readdir, stat } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { quote } from "../../base/names.ts"
import type { Found } from "../finding.ts"

/** Files of this host that a container mounts: keys that others can read, and certificates that end. */

const maxBytes = 256 * 1024
const maxFiles = 200
const maxEntries = 2000
const maxDirectories = 200
const maxDepth = 3
const isLinux = process.platform === "linux"
/** O_PATH, which Node does not name. */
const onlyLook = isLinux ? 0o10000000 : constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
const soonMs = 30 * 24 * 3_600_000
const likelyName =
  /\.(?:pem|key|crt|cer|cert|p8)$|(?:^|[_.-])(?:id_[a-z0-9]+|key|cert|certificate|tls|ssl)(?:$|[_.-])/i

/** `path`: a file, or a directory that is looked through. What may not be read says nothing. */
export async function hostFileFindings(path: string, now: Date = new Date()): Promise<Found[]> {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return []
  const isReachable = await othersMayEnter(dirname(path))
  if (stats.isFile()) return await oneFile(path, { now, isReachable })
  if (!stats.isDirectory()) return []
  const found: Found[] = []
  // certbot's certificates are two directories down.
  const waiting = [{ directory: path, depth: 0, isReachable: isReachable && mayEnter(stats.mode) }]
  let left = maxFiles
  // The list grows while it is gone through.
  for (const { directory, depth, isReachable: here } of waiting) {
    for (const entry of (await readdir(directory, { withFileTypes: true }).catch(() => [])).slice(
      0,
      maxEntries,
    )) {
      const inside = join(directory, entry.name)
      // A link may lead to a file, as certbot's do; another directory is not this container's.
      if (entry.isDirectory() && depth < maxDepth && waiting.length < maxDirectories) {
        const mode = (await lstat(inside).catch(() => null))?.mode ?? 0
        waiting.push({ directory: inside, depth: depth + 1, isReachable: here && mayEnter(mode) })
      } else if (likelyName.test(entry.name) && left > 0 && (entry.isFile() || entry.isSymbolicLink())) {
        left--
        found.push(...(await oneFile(inside, { now, isReachable: here })))
      }
    }
  }
  return found
}

function mayEnter(mode: number): boolean {
  return (mode & 0o001) !== 0
}

/** Whether every user of this host gets as far as into this directory. */
async function othersMayEnter(directory: string): Promise<boolean> {
  for (let at = resolve(directory); ; at = dirname(at)) {
    const stats = await stat(at).catch(() => null)
    if (stats === null || !mayEnter(stats.mode)) return false
    if (at === dirname(at)) return true
  }
}

async function oneFile(
  path: string,
  { now, isReachable }: { now: Date; isReachable: boolean },
): Promise<Found[]> {
  const file = await readSmall(path)
  if (file === null) return []
  const found: Found[] = []
  if (/-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/.test(file.text) && (file.mode & 0o004) !== 0) {
    found.push({
      rule: "readable-key",
      level: isReachable ? "error" : "note",
      message: `the private key ${quote(path)} can be read by every user ${isReachable ? "of this host" : "in the container"}`,
      fix: "chmod o-r it at least; better keep it in Purser's store, and have it delivered into memory",
    })
  }
  for (const [pem] of file.text.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)) {
    const end = endOf(pem)
    if (end === null) continue
    const left = end.getTime() - now.getTime()
    if (left > soonMs) continue
    found.push({
      rule: "certificate",
      level: left <= 0 ? "error" : "warning",
      message: `a certificate in ${quote(path)} ${left <= 0 ? "has expired" : "expires"} on ${end.toISOString().slice(0, 10)}`,
      fix: "renew it, and deliver the new one with a reload",
    })
  }
  return found
}

/** As latin1, with its permission bits. Null for what is no file, larger than a key or certificate, or not for us. */
export async function readSmall(path: string): Promise<{ text: string; mode: number } | null> {
  try {
    // Whoever writes there may have laid out a device, whose mere opening does things: look first, without opening.
    await using found = await open(path, onlyLook)
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

function endOf(pem: string): Date | null {
  try {
    return new X509Certificate(pem).validToDate
  } catch {
    return null
  }
}
