import { X509Certificate } from "node:crypto"
import { constants } from "node:fs"
import { open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { quote } from "../../base/names.ts"
import type { Found } from "../finding.ts"

/** Files of this host that a container mounts: keys that others can read, and certificates that end. */

const maxBytes = 256 * 1024
const maxFiles = 200
const soonMs = 30 * 24 * 3_600_000
const likelyName =
  /\.(?:pem|key|crt|cer|cert|p8)$|(?:^|[_.-])(?:id_[a-z0-9]+|key|cert|certificate|tls|ssl)(?:$|[_.-])/i

/** `path`: a file, or a directory whose own files are looked at. What may not be read says nothing. */
export async function hostFileFindings(path: string, now: Date = new Date()): Promise<Found[]> {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return []
  if (stats.isFile()) return await oneFile(path, now)
  if (!stats.isDirectory()) return []
  const names = await readdir(path).catch(() => [])
  const found: Found[] = []
  for (const name of names.filter((one) => likelyName.test(one)).slice(0, maxFiles))
    found.push(...(await oneFile(join(path, name), now)))
  return found
}

async function oneFile(path: string, now: Date): Promise<Found[]> {
  const file = await readSmall(path)
  if (file === null) return []
  const found: Found[] = []
  if (/-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/.test(file.text) && (file.mode & 0o004) !== 0) {
    found.push({
      rule: "readable-key",
      level: "error",
      message: `the private key ${quote(path)} can be read by every user of this host`,
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

async function readSmall(path: string): Promise<{ text: string; mode: number } | null> {
  try {
    await using handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const stats = await handle.stat()
    if (!stats.isFile() || stats.size > maxBytes) return null
    return { text: await handle.readFile("latin1"), mode: stats.mode }
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
