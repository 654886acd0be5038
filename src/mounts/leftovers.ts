import { lstat, readdir } from "node:fs/promises"
import { basename, join } from "node:path"
import { isPurserError, reasonOf } from "../base/errors.ts"
import { acquireLock } from "../base/lock.ts"
import type { Log } from "../base/log.ts"
import { listContainers } from "../docker/containers.ts"
import type { Engine } from "../docker/engine.ts"
import { labelOf, lockOf, removeAll, roots } from "./directory.ts"

/** Whether a running container uses the directory of this id. */
export async function isInUse(engine: Engine, id: string, signal: AbortSignal): Promise<boolean> {
  return (await listContainers(engine, { labels: [labelOf(id)] }, signal)).length > 0
}

/**
 * Removes the directories that killed processes left, unless their containers still run. Resolves with the number of
 * removed ones.
 */
export async function removeLeftovers(
  isInUse: (id: string) => Promise<boolean>,
  { candidates = roots, log }: { candidates?: readonly string[]; log: Log },
): Promise<number> {
  let removed = 0
  for (const directory of (await Promise.all(candidates.map(leftIn))).flat()) {
    const id = basename(directory)
    try {
      using _ = acquireLock(lockOf(directory), directory)
      if (await isInUse(id)) continue
      await removeAll(directory)
      removed++
    } catch (error) {
      // Its process still runs, or has just removed it.
      if (isPurserError(error, "ERR_LOCKED") || (await isGone(directory))) continue
      log.warn(`cannot remove what an earlier purser run left in ${directory}: ${reasonOf(error)}`)
    }
  }
  return removed
}

async function leftIn(root: string): Promise<string[]> {
  const names = await readdir(root).catch(() => [])
  return names.filter((name) => /^[0-9a-f]{32}$/.test(name)).map((name) => join(root, name))
}

async function isGone(directory: string): Promise<boolean> {
  return await lstat(directory).then(
    () => false,
    () => true,
  )
}
