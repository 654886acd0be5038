import { readFile, stat } from "node:fs/promises"
import { quote } from "../../base/names.ts"
import type { EngineInfo } from "../../docker/info.ts"
import type { Engine } from "../../docker/engine.ts"
import type { CheckFinding } from "../finding.ts"

/** Checks of the engine itself, and of the machine that Purser shares with it. */

const skewMs = { note: 5_000, warning: 60_000 }

export function accessFindings({ transport, address }: Engine, { warnings }: EngineInfo): CheckFinding[] {
  const fix = "use ssh://, or TLS with client certificates, and close the port until then"
  const found: CheckFinding[] = []
  if (transport === "tcp")
    found.push({
      rule: "plain-tcp",
      level: "error",
      message: `it answers at ${address} without encryption, and every client that reaches this address can use it`,
      fix,
    })
  if (warnings.some((warning) => /API is accessible on http:/i.test(warning)))
    found.push({ rule: "plain-tcp", level: "error", message: "it listens on TCP without encryption", fix })
  return found
}

export async function socketFindings({ transport, address }: Engine): Promise<CheckFinding[]> {
  if (transport !== "unix") return []
  const path = address.replace(/^unix:\/\//, "")
  const stats = await stat(path).catch(() => null)
  if (stats === null || (stats.mode & 0o002) === 0) return []
  return [
    {
      rule: "open-socket",
      level: "error",
      message: `every user of this machine may write to ${quote(path)}, which gives root access`,
      fix: `run chmod 660 ${path}, and add the permitted users to its group`,
    },
  ]
}

/** Compares clocks. `askedAt` and `answeredAt` are ours before and after the request, in milliseconds since 1970. */
export function clockFindings(
  { systemTime }: Pick<EngineInfo, "systemTime">,
  { askedAt, answeredAt }: { askedAt: number; answeredAt: number },
): CheckFinding[] {
  const theirs = Date.parse(systemTime)
  if (Number.isNaN(theirs)) return []
  const apart = theirs < askedAt ? askedAt - theirs : Math.max(0, theirs - answeredAt)
  if (apart <= skewMs.note) return []
  return [
    {
      rule: "clock",
      level: apart > skewMs.warning ? "warning" : "note",
      message: `its clock and this machine's differ by ${Math.round(apart / 1000)} s`,
      fix: "synchronize both with a time server, because certificates and one-time downloads depend on it",
    },
  ]
}

/** Finds swap that may be unencrypted. `root` is the directory with `proc` and `sys`; tests pass another one. */
export async function swapFindings(root = "/"): Promise<CheckFinding[]> {
  const text = await readFile(`${root}proc/swaps`, "utf8").catch(() => "")
  const found: CheckFinding[] = []
  for (const line of text.split("\n").slice(1)) {
    const [path, type] = line.split(/\s+/)
    if (path === undefined || path === "" || (await isSafeSwap(root, path, type ?? ""))) continue
    found.push({
      rule: "swap",
      level: "note",
      message: `the swap ${quote(path)} may not be encrypted, so secrets in memory can be written to the disk`,
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

/** Returns `major:minor` of a block device (`rdev`), or of the device that holds a file (`dev`). */
async function deviceOf(path: string, which: "dev" | "rdev"): Promise<string | null> {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return null
  const number = stats[which]
  // The same bits as glibc's major() and minor().
  return `${(number >> 8) & 0xfff}:${(number & 0xff) | ((number >> 12) & 0xfff00)}`
}
