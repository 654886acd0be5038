import { quote } from "../base/names.ts"
import { PurserError } from "../base/errors.ts"
import type { RolloutFile } from "../rollout/target.ts"
import type { Route, RouteQuery } from "./route.ts"
import { routes as allRoutes } from "./routes.ts"

/**
 * Reads the files of a container before they are replaced, so that they can be put back. The result is keyed by path
 * and leaves out missing files. Throws `ERR_CHECK` before anything has changed for a file that is unreadable or larger
 * than 1 MiB, because it could not be put back.
 */
export async function readOld(
  query: RouteQuery,
  routes: readonly Route[] = allRoutes,
): Promise<ReadonlyMap<string, RolloutFile>> {
  for (const route of routes) {
    const old = (await route.readOld?.(query)) ?? null
    if (old !== null) return old
  }
  throw new PurserError(
    "ERR_CHECK",
    `no route can read files of the container ${quote(query.container.name)}`,
  )
}
