import { sameText } from "../../../base/digest.ts"
import { openCurrent, readAll } from "../../../files/content.ts"
import { digestAt } from "../../../files/on-disk.ts"
import type { RolloutFile } from "../../../rollout/target.ts"
import { openInRoot } from "../../container-root.ts"
import { cannotKeep, maxOldBytes, oldFile } from "../../old-file.ts"
import { openContainerProcess } from "../../process.ts"
import type { ReadBack, RouteQuery } from "../../route.ts"

/** Reads files through the root of the container's process, which shows them as the process itself sees them. */

export async function openProcessReadBack({ engine, container, signal }: RouteQuery): Promise<ReadBack> {
  const held = await openContainerProcess(engine, container, signal)
  return {
    how: "read back through its process's root",
    async look(path, content) {
      const root = await held.openRoot()
      try {
        await using target = await openInRoot(root, path).catch(() => null)
        const found = target && (await digestAt(target))
        if (found === null) return null
        const { size, mode, uid, gid } = found.stats
        const same = size === content.sizeBytes && sameText(found.digest, content.digest)
        return { same, mode: mode & 0o7777, uid, gid }
      } finally {
        await root.close()
      }
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  }
}

export async function readOldThroughProcess({
  engine,
  container,
  files,
  signal,
}: RouteQuery): Promise<Map<string, RolloutFile>> {
  await using held = await openContainerProcess(engine, container, signal)
  const root = await held.openRoot()
  const old = new Map<string, RolloutFile>()
  try {
    for (const file of files) {
      await using target = await openInRoot(root, file.path)
      await using current = await openCurrent(target)
      if (current === null) continue
      if (current.stats.size > maxOldBytes) throw cannotKeep(file.path, "it is larger than 1 MiB")
      const bytes = await readAll(current)
      if (bytes === null) throw cannotKeep(file.path, "it cannot be read")
      old.set(file.path, oldFile(file.path, bytes, current.stats))
    }
    return old
  } finally {
    await root.close()
  }
}
