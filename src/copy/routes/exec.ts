import type { Route } from "../route.ts"

/**
 * By a shell in the container and its usual programs, with everything over the stdin of one exec, for a set of files
 * as for one. It runs as the container's own user, so that what it makes is that user's; as root where a file is to
 * be another's.
 */
export const execRoute: Route<"exec"> = {
  name: "exec",
  isAutomatic: true,
  way: "by a shell in it",
  startsProcess: true,
  whyNot: async () => null,
  copy: async (task) => await (await import("./exec/copy.ts")).copyByShell(task),
  async openReadBack(query, owners) {
    if (query.container.state.paused) return null
    const { openShellReadBack } = await import("./exec/read-back.ts")
    return await openShellReadBack(query, owners)
  },
  readOld: async (query) => await (await import("./exec/old-files.ts")).readOldByShell(query),
  async remove(query, paths) {
    const { removeByShell } = await import("./exec/remove.ts")
    await removeByShell(query, paths)
    return true
  },
}
