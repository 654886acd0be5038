import type { Route } from "../route.ts"

/**
 * Copies by the engine's archive call, only into a tmpfs volume of a running container. It needs neither a shell nor
 * root, and works while the container is paused. The engine overwrites files in target, so a concurrent reader may find
 * a file missing or incomplete. If a set fails, the old files are put back.
 */
export const volumeRoute: Route<"volume"> = {
  name: "volume",
  isAutomatic: true,
  way: "by the engine, into its tmpfs volume",
  startsProcess: false,
  async whyNot({ engine, container, files, signal }) {
    const { memoryMountsOf } = await import("../memory-mounts.ts")
    const mountOf = memoryMountsOf(engine, container, signal)
    for (const { path } of files) {
      const { why } = await mountOf(path)
      if (why !== undefined) return why
    }
    return null
  },
  copy: async (task) => await (await import("./volume/copy.ts")).copyIntoVolume(task),
  openReadBack: async (query) => (await import("./volume/read-back.ts")).archiveReadBack(query),
}
