import type { Route } from "../route.ts"

/**
 * Copies through `/proc/PID/root`, for root on the engine's machine. Nothing runs in the container, so it needs no
 * shell and may be paused. The container owns its tree and may change it meanwhile; container-root.ts and process.ts
 * guard against that.
 */
export const procRoute: Route<"proc"> = {
  name: "proc",
  isAutomatic: true,
  way: "through its process's root",
  startsProcess: false,
  async whyNot({ engine, container }) {
    if (process.platform !== "linux") return "this is not Linux"
    if (process.getuid?.() !== 0) return "Purser does not run as root"
    if (!engine.isLocal) return "the engine is not on this machine"
    const { whyNoProcess } = await import("../process.ts")
    return await whyNoProcess(container)
  },
  copy: async (task) => await (await import("./proc/copy.ts")).copyThroughProcess(task),
  async openReadBack(query) {
    if ((await procRoute.whyNot(query)) !== null) return null
    const { openProcessReadBack } = await import("./proc/look.ts")
    return await openProcessReadBack(query)
  },
  async readOld(query) {
    if ((await procRoute.whyNot(query)) !== null) return null
    const { readOldThroughProcess } = await import("./proc/look.ts")
    return await readOldThroughProcess(query)
  },
  async remove(query, paths) {
    if ((await procRoute.whyNot(query)) !== null) return false
    const { removeThroughProcess } = await import("./proc/remove.ts")
    await removeThroughProcess(query, paths)
    return true
  },
}
