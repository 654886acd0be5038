import { existsSync } from "node:fs"
import { join } from "node:path"
import { openAuditLog, type AuditLog } from "../audit/audit-log.ts"
import type { Log } from "../base/log.ts"
import { ensureStateDir } from "./state-dir.ts"
import { openState, stateFileIn, type State } from "./state.ts"

/** The opened contents of a state directory, without the store of secrets and the identities. */
export interface OpenStateDir extends AsyncDisposable {
  readonly state: State
  readonly audit: AuditLog
}

/**
 * Opens a state directory, and creates it if it is missing. Commands may open it while an agent runs. Throws
 * `ERR_STATE`.
 */
export async function openStateDir(stateDir: string, log: Log): Promise<OpenStateDir> {
  await using opened = new AsyncDisposableStack()
  await ensureStateDir(stateDir)
  const state = opened.use(openState(stateDir))
  const audit = opened.use(
    openAuditLog({
      file: auditFileIn(stateDir),
      heads: state.auditHead,
      contentKey: () => state.keys.content(),
      log,
    }),
  )
  const all = opened.move()
  return { state, audit, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

export function auditFileIn(stateDir: string): string {
  return join(stateDir, "audit.log")
}

/** Returns whether an agent or a command has kept state in this directory. */
export function isStateDir(stateDir: string): boolean {
  return existsSync(stateFileIn(stateDir))
}
