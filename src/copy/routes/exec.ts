import type { Route } from "../route.ts"

/**
 * Copies by a shell in the container and its usual programs, with all data over the stdin of one exec, whatever the
 * size of the set. The shell runs as the container's own user, so that the files are that user's; as root if a file is
 * to have another owner.
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
