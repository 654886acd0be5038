import { migration0001 } from "./migrations/0001-tokens-nodes-audit.ts"
import { migration0002 } from "./migrations/0002-containers.ts"

/**
 * The steps from an empty database to the present schema; `user_version` counts those that were taken. Published ones
 * are never edited or removed: a change of the schema is another file and another line here. The modules hold SQL as
 * text, so that they survive bundling.
 */
export const migrations: readonly string[] = [migration0001, migration0002]
