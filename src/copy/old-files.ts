import { quote } from "../base/names.ts"
import { PurserError } from "../base/errors.ts"
import type { RolloutFile } from "../rollout/target.ts"
import type { Route, RouteQuery } from "./route.ts"
import { routes as allRoutes } from "./routes.ts"

/**
 * Reads what lies in a container before it is replaced, so that it can be put back: by path, without those that are
 * not there. A file that cannot be read, or is larger than 1 MiB, ends the delivery before anything has changed
 * (`ERR_CHECK`), because there would be no way back.
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
