import { migration0001 } from "./migrations/0001-tokens-nodes-audit.ts"
import { migration0002 } from "./migrations/0002-containers.ts"

/**
 * The steps from an empty database to the present schema; `user_version` counts the applied ones. A published migration
 * may not be edited or removed: a change of the schema is a new file and a new line here. Each module holds its SQL as a
 * string, so that it survives bundling.
 */
export const migrations: readonly string[] = [migration0001, migration0002]
