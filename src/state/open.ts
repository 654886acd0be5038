import { existsSync } from "node:fs"
import { join } from "node:path"
import { openAuditLog, type AuditLog } from "../audit/audit-log.ts"
import type { Log } from "../base/log.ts"
import { ensureStateDir } from "./state-dir.ts"
import { openState, stateFileIn, type State } from "./state.ts"

/** The contents of a state directory, besides the store of secrets and the identities. */
export interface OpenStateDir extends AsyncDisposable {
  readonly state: State
  readonly audit: AuditLog
}

/** Made if absent. Commands may have it open while an agent runs. Throws `ERR_STATE`. */
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

/** True once an agent or a command has kept state here. */
export function isStateDir(stateDir: string): boolean {
  return existsSync(stateFileIn(stateDir))
}
