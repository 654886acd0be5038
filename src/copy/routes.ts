import { execRoute } from "./routes/exec.ts"
import { procRoute } from "./routes/proc.ts"
import { pullRoute } from "./routes/pull.ts"
import { volumeRoute } from "./routes/volume.ts"

/** Every route, the cheapest first: they are tried, and listed in the help, in this order. */
export const routes = [procRoute, execRoute, volumeRoute, pullRoute()] as const

export type RouteName = (typeof routes)[number]["name"]
