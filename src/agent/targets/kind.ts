import type { AppConfig } from "../../apps/config.ts"
import type { AuditLog } from "../../audit/audit-log.ts"
import type { PurserError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Identity } from "../../channel/identity.ts"
import type { ChannelLimits } from "../../channel/limits.ts"
import type { Engine } from "../../docker/engine.ts"
import type { FailedSets } from "../../rollout/failed-sets.ts"
import type { State } from "../../state/state.ts"
import type { Action } from "../actions/action.ts"
import type { Delivery } from "../delivery/delivery.ts"
import type { AgentHealth } from "./health.ts"
import type { Target } from "./target.ts"

/**
 * The port of targets: what the agent asks of each kind of place that gets secrets. A kind is a folder beside this
 * file and a line in `kinds.ts`; nothing else knows which kinds there are.
 *
 * The parameters of its methods may be of its own type of target, because the agent hands a target only to the kind
 * whose name it bears.
 */
export interface TargetKind<T extends Target = Target> {
  readonly name: T["kind"]
  /** The key of an app that brings such targets, as hints name it. */
  readonly appKey: string
  /** Whether the app may have such targets. */
  isFor(app: AppConfig): boolean
  /** The hint where a round found no target of such an app. Absent: its target is always found. */
  readonly notFoundHint?: string
  /** Logged at the agent's start, for settings that are dangerous even though they were written out. */
  warnings?(app: AppConfig): readonly Warning[]
  /** The warnings of `purser check`. */
  checkWarnings?(app: AppConfig): readonly Warning[]
  /** Differs for any two targets of the kind. */
  key(target: T): string
  /** Called once for each agent. What the kind remembers from one plan to the next belongs to what is returned. */
  create(parts: AgentParts): CreatedKind<T>
}

/** A kind of one agent. */
export interface CreatedKind<T extends Target = Target> {
  /** Called once for each plan. Nothing begins before {@link OpenTargetKind.find} or {@link OpenTargetKind.watch}. */
  open(plan: TargetPlan, found: FoundTargets<T>): OpenTargetKind<T>
}

/** A kind under one plan. Its disposal ends what it began, and lets deliveries in flight end first. */
export interface OpenTargetKind<T extends Target = Target> extends AsyncDisposable {
  /** Looks once for all targets. Rejects only with the signal's reason. */
  find(signal: AbortSignal): Promise<void>
  /** Begins to look until the signal. Targets of the previous plan that it does not find again are removed. */
  watch(signal: AbortSignal): void
  /** Throws if the delivery is not complete. Does not start the delivery if there is nothing to deliver now. */
  deliver(target: T, delivery: Delivery, signal: AbortSignal): Promise<void>
  /** Whether the target will be found again when it can be served, so that no retry is due. */
  isAway?(error: PurserError): boolean
}

/** The set into which a kind puts the targets that it finds. */
export interface FoundTargets<T extends Target = Target> {
  /**
   * Makes it a target, due at once. One that is there already is due if it is found for the first time under this
   * plan, which may grant it something else, or if `again` says so. `isProven`: it was served before (the default).
   */
  add(target: T, options?: { isProven?: boolean; again?: boolean }): void
  /** Removes those for which this does not hold. A delivery in progress ends as it began. */
  keepOnly(holds: (target: T) => boolean): void
}

/** The parts of the agent that a kind may use as long as the agent lives. */
export interface AgentParts {
  readonly identity: Identity
  readonly state: State
  readonly audit: AuditLog
  readonly log: Log
  readonly health: AgentHealth
  /** Sets that failed their check. */
  readonly failedSets: FailedSets
  /** Environment of `exec:` reloads. */
  readonly reloadEnv: NodeJS.ProcessEnv
}

/** The part of the plan that kinds see. It has no secrets, because each delivery brings those that its app is granted. */
export interface TargetPlan {
  readonly apps: Readonly<Record<string, AppConfig>>
  /** Between deliveries to a known target, in milliseconds. */
  readonly everyMs: number
  /** Between looks for new targets, in milliseconds. */
  readonly discoverMs: number
  readonly limits: ChannelLimits
  /** Actions that a peer may ask for besides secrets, as far as its app is granted them. */
  readonly actions: Readonly<Record<string, Action>>
  /** Time limit of one action, in milliseconds. */
  readonly actionMs: number
  /** Undefined: no app has containers. */
  readonly connectEngine?: ((signal: AbortSignal) => Promise<Engine>) | undefined
  /** Whether each target is served once only. */
  readonly isOnce: boolean
}

export interface Warning {
  readonly message: string
  readonly hint: string
}
