import type { Owner } from "../files/owner.ts"
import { RouteUnsuitable, type ReadBack, type Route, type RouteQuery } from "./route.ts"

/** Opens a reader by the first of these routes that can read files back. Throws {@link RouteUnsuitable} if none can. */
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
  throw new RouteUnsuitable("no route can read the written files back")
}
