import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { openAuditLog, type AuditLog } from "../audit/audit-log.ts"
import { reasonOf } from "../base/errors.ts"
import { acquireLock } from "../base/lock.ts"
import { silentLog, type Log } from "../base/log.ts"
import { loadOrCreateIdentity, type Identity } from "../channel/identity.ts"
import { resolveLimits, type ChannelLimits } from "../channel/limits.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import type { Action } from "./actions/action.ts"
import type { AppConfig } from "./config.ts"
import type { AgentEvent, DeliveryEvent } from "./events.ts"
import { Schedule } from "./schedule.ts"
import { openState, type State } from "./state.ts"

/**
 * The agent: holds the sources, looks for nodes, dials them, and fills
 * directories beside it. It never listens, and it is the only one of its state
 * directory that runs.
 */
