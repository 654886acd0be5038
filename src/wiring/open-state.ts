import { openStateDir, type OpenStateDir } from "../state/open.ts"
import { openState, type State } from "../state/state.ts"
import type { OpenContext } from "./open-context.ts"
import type { ResolvedConfig } from "./resolved-config.ts"

/** Opens the database and the audit log of the state directory, created if absent. Throws `ERR_STATE`. */
export async function openStateOf(
  { stateDir }: Pick<ResolvedConfig, "stateDir">,
  { log }: Pick<OpenContext, "log">,
): Promise<OpenStateDir> {
  return await openStateDir(stateDir, log)
}

/** Opens the database only, so that the audit log is not touched. Throws `ERR_STATE`. */
export function openDatabaseOf({ stateDir }: Pick<ResolvedConfig, "stateDir">): State {
  return openState(stateDir)
}
