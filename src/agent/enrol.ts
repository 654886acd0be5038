import type { AuditLog } from "../audit/audit-log.ts"
import { formatEnrolment } from "../channel/enrolment.ts"
import type { TrustMode } from "../apps/settings.ts"
import { trustKindOf } from "../apps/trust/kinds.ts"
import { agentPins } from "../state/identity-files.ts"
import type { State } from "../state/state.ts"

export interface EnrolOptions {
  app: string
  /** The name of its trust mode. */
  trust: TrustMode
  stateDir: string
  state: State
  audit: AuditLog
  /** Make a new token; the one before stays good for so long, in milliseconds. */
  rotateOverlapMs?: number
}

/** The enrolment string that the nodes of an app get. Who has it gets the app's secrets, so each time is in the audit log. */
export async function enrolApp({
  app,
  trust,
  stateDir,
  state,
  audit,
  rotateOverlapMs,
}: EnrolOptions): Promise<string> {
  const pins = await agentPins(stateDir)
  if (!trustKindOf({ mode: trust }).hasToken) return formatEnrolment({ app, agentPins: pins })
  const isNew = state.tokens.valid(app).length === 0
  const token =
    rotateOverlapMs === undefined ? state.tokens.current(app) : state.tokens.rotate(app, rotateOverlapMs)
  const change = isNew ? "created" : rotateOverlapMs === undefined ? "shown" : "rotated"
  await audit.append({ kind: "enrolment", app, change })
  return formatEnrolment({ app, agentPins: pins, token })
}
