import { join } from "node:path"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import { execIn } from "../docker/exec.ts"
import { rm } from "../files/system-calls.ts"
import { openInRoot } from "./container-root.ts"
import { openContainerProcess } from "./process.ts"
import type { RouteTask } from "./route.ts"
import { procRoute } from "./routes/proc/copy.ts"

const removeMs = 15_000
/** How a script begins that uses the container's usual programs. */
export const shellStart =
  'export LC_ALL=C PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; set -f'

/** Removes files from a container. Throws `ERR_TARGET`. */
export async function removeFrom(task: RouteTask, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return
  const { engine, container, signal } = task
  if ((await procRoute.whyNot(task)) === null) {
    await using held = await openContainerProcess(engine, container, signal)
    const root = await held.openRoot()
    try {
      for (const file of paths) {
        await using place = await openInRoot(root, file)
        await rm(join(place.directory, place.leaf), { force: true }).catch((error: unknown) => {
          throw new PurserError(
            "ERR_TARGET",
            `cannot remove ${file} (${systemErrorCode(error) ?? "unknown"})`,
          )
        })
      }
    } finally {
      await root.close()
    }
    return
  }
  const command = ["sh", "-c", `${shellStart}; rm -f "$@"`, "sh", ...paths]
  const { exitCode } = await execIn(
    engine,
    container.id,
    { command, user: "0:0", timeoutMs: removeMs },
    signal,
  )
  if (exitCode !== 0) throw new PurserError("ERR_TARGET", `cannot remove ${paths.map(quote).join(", ")}`)
}
