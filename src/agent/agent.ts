import type { AuditLog } from "../audit/audit-log.ts"
import { reasonOf } from "../base/errors.ts"
import { silentLog, type Log } from "../base/log.ts"
import { FailedSets } from "../rollout/failed-sets.ts"
import type { Identity } from "../channel/identity.ts"
import { builtInActions, type Action } from "./actions/action.ts"
import { Delivery } from "./delivery/delivery.ts"
import type { AgentEvent, DeliveryEvent } from "./delivery/events.ts"
import { grantedSecrets, isGrantedAny } from "./delivery/granted.ts"
import { SecretCache } from "./delivery/secret-cache.ts"
import { logHead } from "./audit-head.ts"
import { paceOf, type AgentPlan } from "./plan.ts"
import { watchState } from "./state-watch.ts"
import { AgentHealth } from "./targets/health.ts"
import type { TargetKind } from "./targets/kind.ts"
import { targetKinds } from "./targets/kinds.ts"
import { OpenKinds, type AgentKind } from "./targets/open-kinds.ts"
import { Schedule } from "./targets/schedule.ts"
import type { Target } from "./targets/target.ts"
import type { State } from "../state/state.ts"
import { warnOfRenewal, warnOfTargets } from "./warnings.ts"

/**
 * The agent: lets each kind of target be found, gives each target its turn, and lets `targets/` deliver. It dials and
 * never listens. What may be sent is decided in `delivery/granted.ts`, to whom in `apps/trust/`; nothing here may go
 * around them.
 */

export interface AgentOptions {
  plan: AgentPlan
  identity: Identity
  state: State
  audit: AuditLog
  /** Beside `list` and `file`; an app may ask for those that its configuration grants. */
  actions?: Readonly<Record<string, Action>>
  /** Environment of `exec:` reloads. Default: empty. */
  reloadEnv?: NodeJS.ProcessEnv
  /** The file that `purser health` reads. */
  statusFile?: string
  /** Between two times that the head of the audit log is logged, in milliseconds. Default: an hour. */
  auditHeadMs?: number
  /** Kinds of targets. Default: all that Purser has. */
  kinds?: readonly TargetKind[]
  log?: Log
  onEvent?: (event: AgentEvent) => void
}

/** A secret is read once for all who ask within this time, unless its source is seen to change. */
const longestCacheMs = 60_000

export class Agent implements AsyncDisposable {
  readonly #options: AgentOptions
  readonly #log: Log
  readonly #health: AgentHealth
  readonly #kinds: readonly AgentKind[]
  /** Aborts the sessions in flight. */
  readonly #aborting = new AbortController()
  #plan: AgentPlan
  #secrets: SecretCache
  /** Ends the looking and watching that belongs to the plan. */
  #planEnds = new AbortController()
  /** The kinds of targets under the plan. */
  #open: OpenKinds | undefined
  #schedule: Schedule<Target> | undefined
  #running: Promise<void> | undefined

  constructor(options: AgentOptions) {
    for (const name of builtInActions) {
      if (Object.hasOwn(options.actions ?? {}, name)) throw new TypeError(`the action ${name} is built in`)
    }
    const { kinds = targetKinds, identity, state, audit, log = silentLog, reloadEnv = {} } = options
    this.#options = options
    this.#log = log
    this.#plan = options.plan
    this.#secrets = this.#cacheFor(options.plan)
    this.#health = new AgentHealth(options.statusFile, log)
    const common = { identity, state, audit, log, health: this.#health, reloadEnv }
    const parts = { ...common, failedSets: new FailedSets() }
    this.#kinds = kinds.map((kind) => ({ kind, created: kind.create(parts) }))
  }

  /** Looks once, serves every target once, and resolves with what came of each. */
  async round(signal: AbortSignal): Promise<readonly DeliveryEvent[]> {
    const deliveries: DeliveryEvent[] = []
    this.#secrets.forget("all")
    const schedule = this.#createSchedule({ once: true, onDelivery: (event) => deliveries.push(event) })
    const onAbort = (): void => this.abort(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    try {
      this.#open = await this.#openKinds(schedule, { isOnce: true })
      this.#warn()
      await this.#open.find(signal)
      await schedule.idle()
      return deliveries
    } finally {
      signal.removeEventListener("abort", onAbort)
      await this.#closeKinds()
    }
  }

  /** Serves until `signal`; then starts nothing more, and resolves when the sessions in flight have ended. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = this.#run(AbortSignal.any([signal, this.#aborting.signal]))
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const schedule = this.#createSchedule({ once: false })
    this.#schedule = schedule
    const { state, audit, auditHeadMs = 3_600_000 } = this.#options
    const heads = setInterval(() => logHead(audit, this.#log), auditHeadMs).unref()
    try {
      logHead(audit, this.#log)
      await this.#startPlan()
      // An approval or a new token may let a target in that failed.
      await watchState(state, { onChange: () => schedule.retryNow(), log: this.#log }, signal)
    } finally {
      clearInterval(heads)
      this.#planEnds.abort()
      await schedule.stop()
      await this.#closeKinds()
      await this.#health.end()
    }
  }

  /** Goes on with another plan. Deliveries in flight end under the previous plan; everything else is due at once. */
  async replacePlan(plan: AgentPlan): Promise<void> {
    const before = this.#plan
    this.#planEnds.abort()
    this.#plan = plan
    this.#secrets = this.#cacheFor(plan)
    await this.#startPlan()
    if (before.catalogue !== plan.catalogue) await before.catalogue[Symbol.asyncDispose]()
    if (before.certificates !== plan.certificates) await before.certificates?.[Symbol.asyncDispose]()
  }

  /** Makes every target due at once whose app is granted one of these. */
  sourceChanged(names: readonly string[] | "all"): void {
    this.#secrets.forget(names)
    this.#schedule?.dueNow(({ app }) => isGrantedAny(this.#plan.apps[app], names))
  }

  /** Ends {@link run}, and cuts the sessions in flight. */
  abort(reason?: unknown): void {
    this.#aborting.abort(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort()
    // The caller of run sees its failure.
    await this.#running?.catch(() => {})
    await this.#plan.catalogue[Symbol.asyncDispose]()
    await this.#plan.certificates?.[Symbol.asyncDispose]()
  }

  async #startPlan(): Promise<void> {
    this.#planEnds = new AbortController()
    const { signal } = this.#planEnds
    const { apps, catalogue } = this.#plan
    const schedule = this.#schedule
    if (schedule === undefined) return
    const open = await this.#openKinds(schedule, { isOnce: false })
    for (const [key, { app }] of schedule.entries()) if (!Object.hasOwn(apps, app)) schedule.remove(key)
    const closing = this.#closeKinds()
    void closing.catch((error: unknown) => this.#log.error(reasonOf(error)))
    this.#open = open
    this.#warn()
    open.watch(signal)
    catalogue.watch((names) => {
      if (!signal.aborted) this.sourceChanged(names)
    })
  }

  async #openKinds(schedule: Schedule<Target>, { isOnce }: { isOnce: boolean }): Promise<OpenKinds> {
    const { catalogue: _catalogue, certificates, ...plan } = this.#plan
    const actions = { ...certificates?.actions, ...this.#options.actions }
    this.#health.clear()
    const open = new OpenKinds(this.#kinds, { ...plan, actions, isOnce }, schedule)
    await this.#health.write()
    return open
  }

  /** Lets deliveries in flight end first. */
  async #closeKinds(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.[Symbol.asyncDispose]()
  }

  #warn(): void {
    const kinds = this.#kinds.map(({ kind }) => kind)
    warnOfTargets(this.#plan.apps, kinds, this.#log)
    warnOfRenewal(this.#plan, this.#log)
  }

  #cacheFor({ catalogue, everyMs }: AgentPlan): SecretCache {
    return new SecretCache(catalogue, Math.min(longestCacheMs, everyMs / 2), this.#aborting.signal)
  }

  #createSchedule({
    once,
    onDelivery,
  }: {
    once: boolean
    onDelivery?: (event: DeliveryEvent) => void
  }): Schedule<Target> {
    return new Schedule<Target>({
      pace: () => paceOf(this.#plan),
      once,
      serve: async (target) => {
        const event = await this.#deliver(target)
        if (event === undefined) return true
        onDelivery?.(event)
        const { error } = event
        return error === undefined || this.#open?.isAway(target, error) === true
      },
    })
  }

  /** Undefined if there was nothing to deliver, because the app is gone, for example. */
  async #deliver(target: Target): Promise<DeliveryEvent | undefined> {
    const app = this.#plan.apps[target.app]
    const open = this.#open
    if (app === undefined || open === undefined) return undefined
    const secrets = grantedSecrets(app, this.#plan.catalogue, this.#secrets)
    const { audit, onEvent = () => {} } = this.#options
    const delivery = new Delivery({ app, secrets, audit, onEvent })
    return await delivery.run(() => open.deliver(target, delivery, this.#aborting.signal))
  }
}
