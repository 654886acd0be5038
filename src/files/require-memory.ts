import { join } from "node:path"
import { PurserError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { pathOnly } from "./content.ts"
import { isMemory } from "./memory.ts"
import { open } from "./system-calls.ts"
import type { TargetDirectory } from "./target-directory.ts"

export interface DiskOptions {
  /** Throws `ERR_DISK` for a directory that is not in memory, instead of logging a warning. */
  readonly requireTmpfs?: boolean | undefined
  readonly log: Log
}

/**
 * Checks that the directory is in memory, and the file too, because another file system may be mounted on its name. Each
 * device is checked once. Throws `ERR_DISK`, or logs a warning.
 */
export async function checkMemory(
  place: TargetDirectory,
  options: DiskOptions,
  checked: Set<number>,
): Promise<void> {
  const below = (await place.handle?.stat())?.dev ?? 0
  await check(place.directory, below)
  if (place.handle === undefined) return
  const own = await open(join(place.directory, place.leaf), pathOnly).catch(() => null)
  try {
    const stats = await own?.stat()
    if (stats?.isFile() === true) await check(`/proc/self/fd/${own?.fd}`, stats.dev)
  } finally {
    await own?.close()
  }

  async function check(at: string, device: number): Promise<void> {
    if (checked.has(device)) return
    checked.add(device)
    if (!(await isMemory(at))) refuseDisk(place.path, options)
  }
}

/** Throws `ERR_DISK`, or logs a warning. */
export function refuseDisk(path: string, { requireTmpfs, log }: DiskOptions): void {
  const hint =
    "use a tmpfs: tmpfs: /run/secrets in a Compose file, --tmpfs with docker run, or a volume of type tmpfs"
  if (requireTmpfs === true) throw new PurserError("ERR_DISK", `${path} would lie on a disk`, { hint })
  log.warn(`${path} lies on a disk, where plaintext can outlive its deletion`, { hint })
}
