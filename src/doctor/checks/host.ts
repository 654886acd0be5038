import { readFile, stat } from "node:fs/promises"
import { quote } from "../../base/names.ts"
import type { EngineInfo } from "../../docker/info.ts"
import type { Engine } from "../../docker/engine.ts"
import type { Found } from "../finding.ts"

/** The engine itself, and the machine that we share with it. */

const skewMs = { note: 5_000, warning: 60_000 }

export function accessFindings({ transport, address }: Engine, { warnings }: EngineInfo): Found[] {
  const fix = "use ssh://, or TLS with client certificates; and close the port meanwhile"
  const found: Found[] = []
  if (transport === "tcp")
    found.push({
      rule: "plain-tcp",
      level: "error",
      message: `we reach it at ${address} without encryption, and so can everybody who reaches that address`,
      fix,
    })
  if (warnings.some((warning) => /API is accessible on http:/i.test(warning)))
    found.push({ rule: "plain-tcp", level: "error", message: "it listens on TCP without encryption", fix })
  return found
}

export async function socketFindings({ transport, address }: Engine): Promise<Found[]> {
  if (transport !== "unix") return []
  const path = address.replace(/^unix:\/\//, "")
  const stats = await stat(path).catch(() => null)
  if (stats === null || (stats.mode & 0o002) === 0) return []
  return [
    {
      rule: "open-socket",
      level: "error",
      message: `every user of this machine may write to ${quote(path)}, and so be root`,
      fix: `chmod 660 ${path}, and put those who may into its group`,
    },
  ]
}

/** `askedAt` and `answeredAt`: our clock before and after the question, in milliseconds since 1970. */
export function clockFindings(
  { systemTime }: Pick<EngineInfo, "systemTime">,
  { askedAt, answeredAt }: { askedAt: number; answeredAt: number },
): Found[] {
  const theirs = Date.parse(systemTime)
  if (Number.isNaN(theirs)) return []
  const apart = theirs < askedAt ? askedAt - theirs : Math.max(0, theirs - answeredAt)
  if (apart <= skewMs.note) return []
  return [
    {
      rule: "clock",
      level: apart > skewMs.warning ? "warning" : "note",
      message: `its clock and this machine's differ by ${Math.round(apart / 1000)} s`,
      fix: "let both follow a time server: certificates and one-time downloads depend on it",
    },
  ]
}

/** `root` holds `proc` and `sys`: another one is for tests. */
export async function swapFindings(root = "/"): Promise<Found[]> {
  const text = await readFile(`${root}proc/swaps`, "utf8").catch(() => "")
  const found: Found[] = []
  for (const line of text.split("\n").slice(1)) {
    const [path, type] = line.split(/\s+/)
    if (path === undefined || path === "" || (await isSafeSwap(root, path, type ?? ""))) continue
    found.push({
      rule: "swap",
      level: "note",
      message: `${quote(path)} is swap that is not known to be encrypted: what is in memory can get to the disk`,
      fix: "turn swap off (swapoff -a), put it on zram, or encrypt it (cryptsetup, with a random key at each start)",
    })
  }
  return found
}

async function isSafeSwap(root: string, path: string, type: string): Promise<boolean> {
  if (/^\/dev\/zram\d+$/.test(path)) return true
  const device = type === "partition" ? await deviceOf(path, "rdev") : await deviceOf(path, "dev")
  if (device === null) return false
  const uuid = await readFile(`${root}sys/dev/block/${device}/dm/uuid`, "utf8").catch(() => "")
  return uuid.startsWith("CRYPT-")
}

/** `major:minor` of a block device, or of the one that a file lies on. */
async function deviceOf(path: string, which: "dev" | "rdev"): Promise<string | null> {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return null
  const number = stats[which]
  // As glibc's major() and minor() do.
  return `${(number >> 8) & 0xfff}:${(number & 0xff) | ((number >> 12) & 0xfff00)}`
}
