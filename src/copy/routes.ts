import { execRoute } from "./routes/exec.ts"
import { procRoute } from "./routes/proc.ts"
import { pullRoute } from "./routes/pull.ts"
import { volumeRoute } from "./routes/volume.ts"

/** Every route, the cheapest first: the order in which they are tried, and in which help names them. */
export const routes = [procRoute, execRoute, volumeRoute, pullRoute()] as const

export type RouteName = (typeof routes)[number]["name"]
