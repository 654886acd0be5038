import type { Member } from "../../../apps/containers/membership.ts"
import type { AuditLog } from "../../../audit/audit-log.ts"
import type { Log } from "../../../base/log.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"
import type { Engine } from "../../../docker/engine.ts"
import type { FailedSets } from "../../../rollout/failed-sets.ts"
import type { ContainerStarts } from "../../../state/container-starts.ts"
import type { ReportedOnce } from "./reported-once.ts"

/** The parts of a delivery to a container besides its secrets. */
export interface ContainerTurn {
  readonly member: Member
  /** Just inspected. Nothing but its full id leads to it. */
  readonly container: ContainerDetails
  readonly engine: Engine
  readonly starts: ContainerStarts
  readonly reported: ReportedOnce
  readonly failedSets: FailedSets
  /** Whether to deliver once more after a restart that was the reload, because no event tells of its start. */
  readonly isOnce: boolean
  readonly audit: AuditLog
  readonly log: Log
}
