import { execFile } from "node:child_process"
import { globSync } from "node:fs"
import { resolve } from "node:path"
import { promisify } from "node:util"

/**
 * Debian sid's Docker Engine, unpacked by scripts/provision.sh with what it needs, its C library among that. It
 * is laid over /usr in a mount namespace of its own: runc starts itself again, which a wrapper would not survive.
 */

const root = resolve(import.meta.dirname, "../..")

const layOver = 'cd "$NEWER_ENGINE" && mount -t overlay overlay -o lowerdir=usr:/usr /usr && cd / || exit'

/** What `startSecondEngine` has to do first. Throws where scripts/provision.sh has not brought it. */
export function newerEngine(): { prepare: string; env: Readonly<Record<string, string>> } {
  const found = globSync(".cache/docker-*/usr/sbin/dockerd", { cwd: root })
  const newest = found.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1)
  if (newest === undefined) throw new Error("it is not in .cache")
  return { prepare: layOver, env: { NEWER_ENGINE: resolve(root, newest, "../../..") } }
}

/** Rejects where it cannot run. */
export async function tryNewerEngine(): Promise<void> {
  const { prepare, env } = newerEngine()
  const args = ["--mount", "--propagation=private", "sh", "-c", `${prepare}\nexec dockerd --version`]
  await promisify(execFile)("unshare", args, { timeout: 20_000, env: { ...process.env, ...env } })
}
