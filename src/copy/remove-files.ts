import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"
import type { Route, RouteQuery } from "./route.ts"
import { routes as allRoutes } from "./routes.ts"

/** Removes files from a container. Throws `ERR_TARGET`. */
export async function removeFrom(
  query: RouteQuery,
  paths: readonly string[],
  routes: readonly Route[] = allRoutes,
): Promise<void> {
  if (paths.length === 0) return
  for (const route of routes) if ((await route.remove?.(query, paths)) === true) return
  throw new PurserError("ERR_TARGET", `no route can remove ${paths.map(quote).join(", ")}`)
}
