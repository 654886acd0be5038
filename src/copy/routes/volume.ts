import type { Route } from "../route.ts"

/**
 * By the engine's archive call, into a tmpfs volume of a running container and into nothing else: it needs neither a
 * shell nor root, and works while the container is paused. The engine overwrites a file where it stands, so that
 * whoever reads at that moment may see it missing or in part; of a set that fails, what was there is put back.
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
