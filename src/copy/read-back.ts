import type { Owner } from "../files/owner.ts"
import { RouteUnsuitable, type ReadBack, type Route, type RouteQuery } from "./route.ts"

/** By the first of these routes that can look at files. Throws {@link RouteUnsuitable}. */
export async function openReadBack(
  query: RouteQuery,
  owners: readonly Owner[],
  routes: readonly Route[],
): Promise<ReadBack> {
  for (const route of routes) {
    try {
      const opened = (await route.openReadBack?.(query, owners)) ?? null
      if (opened !== null) return opened
    } catch (error) {
      if (!(error instanceof RouteUnsuitable)) throw error
    }
  }
  throw new RouteUnsuitable("no route can read back what would be written")
}
