import { join } from "node:path"
import type { AuditLog } from "../audit/audit-log.ts"
import { acquireLock } from "../base/lock.ts"
import { silentLog } from "../base/log.ts"
import { ensureStateDir } from "../state/state-dir.ts"
import type { Identity } from "../channel/identity.ts"
import type { AgentPlan } from "../agent/plan.ts"
import { Agent, type AgentOptions } from "../agent/agent.ts"
import { agentIdentity } from "../state/identity-files.ts"
import type { State } from "../state/state.ts"
import { openStateDir } from "../state/open.ts"

export type OpenAgentOptions = Omit<AgentOptions, "identity" | "state" | "audit" | "plan"> & {
  /** A function gets the audit log, which is opened with the state directory, because parts of the plan write to it. */
  plan: AgentPlan | ((audit: AuditLog) => AgentPlan)
  /** Aborts the opening. */
  signal?: AbortSignal
  /** Created if absent. Only one agent at a time may use it. */
  stateDir: string
}

export interface OpenAgent extends AsyncDisposable {
  readonly agent: Agent
  readonly identity: Identity
  readonly state: State
  readonly audit: AuditLog
}

/**
 * Opens an agent with all resources of its state directory. Throws `ERR_LOCKED` while another agent uses it, `ERR_CA`
 * and `ERR_PASSPHRASE` if it could not issue the configured certificates.
 */
export async function openAgent({
  stateDir,
  plan: given,
  signal,
  ...options
}: OpenAgentOptions): Promise<OpenAgent> {
  await using opened = new AsyncDisposableStack()
  await ensureStateDir(stateDir)
  opened.use(acquireLock(join(stateDir, "agent.lock"), `the state directory ${stateDir}`))
  const { state, audit } = opened.use(await openStateDir(stateDir, options.log ?? silentLog))
  const identity = await agentIdentity(stateDir)
  const plan = typeof given === "function" ? given(audit) : given
  const agent = opened.use(new Agent({ ...options, plan, identity, state, audit }))
  await plan.certificates?.unlock(signal ?? new AbortController().signal)
  const all = opened.move()
  return { agent, identity, state, audit, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
