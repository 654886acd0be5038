import { PurserError } from "../../../base/errors.ts"
import { quote } from "../../../base/names.ts"
import { execIn } from "../../../docker/exec.ts"
import type { RouteQuery } from "../../route.ts"
import { shellStart } from "./script.ts"

const removeMs = 15_000

/** Removes files as the container's root. Throws `ERR_TARGET`. */
export async function removeByShell(
  { engine, container, signal }: RouteQuery,
  paths: readonly string[],
): Promise<void> {
  const command = ["sh", "-c", `${shellStart}; rm -f "$@"`, "sh", ...paths]
  const { exitCode } = await execIn(
    engine,
    container.id,
    { command, user: "0:0", timeoutMs: removeMs },
    signal,
  )
  if (exitCode !== 0) throw new PurserError("ERR_TARGET", `cannot remove ${paths.map(quote).join(", ")}`)
}
