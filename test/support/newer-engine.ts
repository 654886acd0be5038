import { globSync } from "node:fs"
import { resolve } from "node:path"

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

/** The command line that tells whether it runs here. */
export function newerEngineCheck(): [command: string, ...args: string[]] {
  const { prepare, env } = newerEngine()
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const script = `${prepare}\nexec dockerd --version`
  return ["env", ...variables, "unshare", "--mount", "--propagation=private", "sh", "-c", script]
}
