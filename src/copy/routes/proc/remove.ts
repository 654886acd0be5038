import { join } from "node:path"
import { PurserError, systemErrorCode } from "../../../base/errors.ts"
import { rm } from "../../../files/system-calls.ts"
import { openInRoot } from "../../container-root.ts"
import { openContainerProcess } from "../../process.ts"
import type { RouteQuery } from "../../route.ts"

/** Removes files through the root of the container's process. Throws `ERR_TARGET`. */
export async function removeThroughProcess(
  { engine, container, signal }: RouteQuery,
  paths: readonly string[],
): Promise<void> {
  await using held = await openContainerProcess(engine, container, signal)
  const root = await held.openRoot()
  try {
    for (const file of paths) {
      await using target = await openInRoot(root, file)
      await rm(join(target.directory, target.leaf), { force: true }).catch((error: unknown) => {
        throw new PurserError("ERR_TARGET", `cannot remove ${file} (${systemErrorCode(error) ?? "unknown"})`)
      })
    }
  } finally {
    await root.close()
  }
}
