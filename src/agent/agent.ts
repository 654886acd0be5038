import { setTimeout as delay } from "node:timers/promises"
import type { AuditLog } from "../audit/audit-log.ts"
import { reasonOf } from "../base/errors.ts"
import { silentLog, type Log } from "../base/log.ts"
import { FailedSets } from "../rollout/failed-sets.ts"
import type { Identity } from "../channel/identity.ts"
import { builtInActions, type Action } from "./actions/action.ts"
import type { AppConfig } from "../apps/config.ts"
import { createFollower, type ContainerFollower } from "./targets/container/follow.ts"
import { serveContainer } from "./targets/container/serve.ts"
import { ReportedOnce } from "./targets/container/reported-once.ts"
import type { Address } from "../apps/discovery/address.ts"
import { createDiscovery } from "../apps/discovery/discovery.ts"
import type { AgentEvent, DeliveryEvent } from "./delivery/events.ts"
import { grantedSecrets } from "./delivery/granted.ts"
import { logHead } from "./audit-head.ts"
import { AgentHealth } from "./targets/health.ts"
import type { AgentPlan } from "./plan.ts"
import { Schedule } from "./targets/schedule.ts"
import { SecretCache } from "./delivery/secret-cache.ts"
import type { State } from "../state/state.ts"
import { addDirectory, addNodes, concerns, keyOf, type Target } from "./target.ts"
import { isAway } from "./targets/container/deliver.ts"
import { deliverToDirectory } from "./targets/directory/deliver.ts"
import { deliverToFluxvaultNode } from "./targets/node/fluxvault.ts"
import { deliverToNode } from "./targets/node/purser.ts"
import { warnOfRenewal, warnOfTrust } from "./warnings.ts"

/**
 * The agent: looks for nodes and containers, gives each target its turn, and lets
 * `targets/` deliver. It dials and never listens. What may be sent is decided in
 * `granted.ts`, to whom in `trust/`; nothing here may go around them.
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
  /** Where `purser health` looks. */
  statusFile?: string
  /** Between two times that the head of the audit log is logged, in milliseconds. Default: an hour. */
  auditHeadMs?: number
  log?: Log
  onEvent?: (event: AgentEvent) => void
}

/** A target that fails is tried again after a second, and then ever more seldom. */
const retry = { firstMs: 1000, maxMs: 5 * 60_000 }
/** How soon something that another process wrote into the state (an approval, say) is noticed. */
const stateCheckMs = 500
/** A secret is read once for all who ask within this time, unless its source is seen to change. */
const longestCacheMs = 60_000

export class Agent implements AsyncDisposable {
  readonly #options: AgentOptions
  readonly #log: Log
  readonly #health: AgentHealth
  /** Aborts the sessions in flight. */
  readonly #aborting = new AbortController()
  #plan: AgentPlan
  #secrets: SecretCache
  /** Ends the looking and watching that belongs to the plan. */
  #planEnds = new AbortController()
  #schedule: Schedule<Target> | undefined
  #running: Promise<void> | undefined
  /** Of the running containers, where an app has some. */
  #containers: ContainerFollower | undefined
  readonly #told = new ReportedOnce()
  /** Sets that failed their check. */
  readonly #held = new FailedSets()
  /** The last good answers of discovery, which a plan that replaces another must not lose. */
  readonly #found = new Map<string, readonly Address[]>()

  constructor(options: AgentOptions) {
    for (const name of builtInActions) {
      if (Object.hasOwn(options.actions ?? {}, name)) throw new TypeError(`the action ${name} is built in`)
    }
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#plan = options.plan
    this.#secrets = this.#cacheFor(options.plan)
    this.#health = new AgentHealth(options.statusFile)
  }

  /** Looks once, serves every target once, and resolves with what came of each. */
  async round(signal: AbortSignal): Promise<readonly DeliveryEvent[]> {
    const deliveries: DeliveryEvent[] = []
    this.#secrets.forget("all")
    const schedule = this.#createSchedule({ once: true, onDelivery: (event) => deliveries.push(event) })
    const onAbort = (): void => this.abort(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    try {
      await this.#health.begin(this.#plan.apps)
      warnOfTrust(this.#plan.apps, this.#log)
      warnOfRenewal(this.#plan, this.#log)
      this.#containers = this.#createFollower(schedule)
      await Promise.all([
        this.#containers?.look(signal),
        ...Object.values(this.#plan.apps).map(async (app) => {
          addDirectory(schedule, app)
          const discovery = createDiscovery(app.nodes, { log: this.#log })
          const proven = this.#provenAddresses(app)
          await discovery.look(signal, (found) => addNodes(schedule, app, found, proven))
        }),
      ])
      await schedule.idle()
      return deliveries
    } finally {
      signal.removeEventListener("abort", onAbort)
      await this.#closeFollower()
    }
  }

  /** Serves until `signal`; then starts nothing more, and resolves when the sessions in flight have ended. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = this.#run(AbortSignal.any([signal, this.#aborting.signal]))
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#schedule = this.#createSchedule({ once: false })
    const { audit, auditHeadMs = 3_600_000 } = this.#options
    const heads = setInterval(() => logHead(audit, this.#log), auditHeadMs).unref()
    try {
      logHead(audit, this.#log)
      await this.#startPlan()
      await this.#watchState(signal)
    } finally {
      clearInterval(heads)
      this.#planEnds.abort()
      await this.#schedule.stop()
      await this.#closeFollower()
      await this.#health.end().catch((error: unknown) => {
        this.#log.error(`cannot remove the status for purser health: ${reasonOf(error)}`)
      })
    }
  }

  /** Goes on with another plan. What is under way ends as it began; everything else is due at once. */
  async replacePlan(plan: AgentPlan): Promise<void> {
    const before = this.#plan
    this.#planEnds.abort()
    this.#plan = plan
    this.#secrets = this.#cacheFor(plan)
    await this.#startPlan()
    if (before.catalogue !== plan.catalogue) await before.catalogue[Symbol.asyncDispose]()
    if (before.certificates !== plan.certificates) await before.certificates?.[Symbol.asyncDispose]()
  }

  /** Everybody who is granted one of these is due at once. */
  sourceChanged(names: readonly string[] | "all"): void {
    this.#secrets.forget(names)
    this.#schedule?.dueNow(({ app }) => concerns(this.#plan.apps[app], names))
  }

  /** Ends {@link run}, and cuts the sessions in flight. */
  abort(reason?: unknown): void {
    this.#aborting.abort(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort()
    // Whoever called it sees its failure.
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
    await this.#health.begin(apps)
    // A target that was there may have other grants now.
    const before = new Set<string>()
    for (const [key, { app }] of schedule.entries()) {
      if (Object.hasOwn(apps, app)) before.add(key)
      else schedule.remove(key)
    }
    // Its own listing makes due, or takes out, what the one before it had found.
    const last = this.#closeFollower()
    this.#containers = this.#createFollower(schedule)
    this.#containers?.start()
    void last.catch((error: unknown) => this.#log.error(reasonOf(error)))
    if (this.#containers === undefined)
      for (const [key, { container }] of schedule.entries()) if (container !== undefined) schedule.remove(key)
    warnOfTrust(apps, this.#log)
    warnOfRenewal(this.#plan, this.#log)
    for (const app of Object.values(apps)) {
      addDirectory(schedule, app)
      schedule.dueNow(
        ({ app: of, address, container }) =>
          of === app.name &&
          address === undefined &&
          container === undefined &&
          before.has(keyOf({ app: of })),
      )
      void this.#keepLooking(schedule, app, { before, signal })
    }
    catalogue.watch((names) => {
      if (!signal.aborted) this.sourceChanged(names)
    })
  }

  /** Targets that were there before the plan are due once it is known that they still belong to it. */
  async #keepLooking(
    schedule: Schedule<Target>,
    app: AppConfig,
    { before, signal }: { before: Set<string>; signal: AbortSignal },
  ): Promise<void> {
    const discovery = createDiscovery(app.nodes, { log: this.#log, known: this.#found })
    try {
      for (;;) {
        const proven = this.#provenAddresses(app)
        const addresses = await discovery.look(signal, (found) => {
          if (!signal.aborted) addNodes(schedule, app, found, proven)
        })
        signal.throwIfAborted()
        const current = new Set(addresses.map((address) => keyOf({ app: app.name, address })))
        for (const [key, target] of schedule.entries()) {
          if (target.app === app.name && target.address !== undefined && !current.has(key))
            schedule.remove(key)
        }
        schedule.dueNow(
          (target) => target.app === app.name && target.address !== undefined && before.has(keyOf(target)),
        )
        before = new Set()
        await delay(this.#plan.discoverMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) this.#log.error(`looking for nodes of ${app.name} ended: ${reasonOf(error)}`)
    }
  }

  /** What it has under way ends as it began. */
  async #closeFollower(): Promise<void> {
    const follower = this.#containers
    this.#containers = undefined
    await follower?.[Symbol.asyncDispose]()
  }

  #createFollower(schedule: Schedule<Target>): ContainerFollower | undefined {
    const { state, audit } = this.#options
    const { apps, connectEngine: connect } = this.#plan
    const given = { apps, schedule, starts: state.containers, told: this.#told, audit, log: this.#log }
    return createFollower(connect, given)
  }

  #cacheFor({ catalogue, everyMs }: AgentPlan): SecretCache {
    return new SecretCache(catalogue, Math.min(longestCacheMs, everyMs / 2), this.#aborting.signal)
  }

  /** What another process changed in the state (an approval, a new token) gives everybody that failed another try. */
  async #watchState(signal: AbortSignal): Promise<void> {
    let version = this.#options.state.revision()
    for (;;) {
      await delay(stateCheckMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      try {
        const now = this.#options.state.revision()
        if (now !== version) this.#schedule?.retryNow()
        version = now
      } catch (error) {
        this.#log.error(`cannot look into the state: ${reasonOf(error)}`)
      }
    }
  }

  /** Without them nodes only wait a little longer for their turn: no reason to serve nobody. */
  #provenAddresses({ name }: AppConfig): Set<string> {
    try {
      return new Set(this.#options.state.nodes.provenAddresses(name))
    } catch (error) {
      this.#log.error(`cannot tell which nodes of ${name} are known: ${reasonOf(error)}`)
      return new Set()
    }
  }

  #createSchedule({
    once,
    onDelivery,
  }: {
    once: boolean
    onDelivery?: (event: DeliveryEvent) => void
  }): Schedule<Target> {
    const plan = (): AgentPlan => this.#plan
    return new Schedule<Target>({
      get slots() {
        return plan().parallel
      },
      get everyMs() {
        return plan().everyMs
      },
      get retry() {
        return {
          firstMs: retry.firstMs,
          maxMs: Math.max(retry.firstMs, Math.min(retry.maxMs, plan().everyMs)),
        }
      },
      once,
      serve: async (target) => {
        const event = await this.#deliver(target, once)
        if (event === undefined) return true
        this.#options.onEvent?.(event)
        onDelivery?.(event)
        // What has stopped or is paused will be heard of again.
        return event.status === "ok" || isAway(event.error)
      },
    })
  }

  /** Undefined when its app has gone meanwhile. */
  async #deliver(
    { app: name, address, container }: Target,
    isOnce: boolean,
  ): Promise<DeliveryEvent | undefined> {
    const app = this.#plan.apps[name]
    if (app === undefined) return undefined
    const { state, audit, identity, reloadEnv = {}, onEvent = () => {} } = this.#options
    const { limits, actionMs, everyMs } = this.#plan
    const actions = { ...this.#plan.certificates?.actions, ...this.#options.actions }
    const secrets = grantedSecrets(app, this.#plan.catalogue, this.#secrets)
    const common = { app, secrets, audit, held: this.#held, log: this.#log, onEvent }
    const { signal } = this.#aborting
    if (address !== undefined) {
      const aliveMs = 2 * everyMs
      if (app.protocol === "fluxvault")
        return await deliverToFluxvaultNode({ ...common, address, limits, aliveMs, state }, signal)
      return await deliverToNode(
        { ...common, address, identity, actions, actionMs, limits, aliveMs, state },
        signal,
      )
    }
    if (container !== undefined) {
      if (this.#containers === undefined) return undefined
      const given = { ...common, starts: state.containers, told: this.#told, isOnce }
      return await serveContainer(this.#containers, { id: container, app: name }, given, signal)
    }
    if (app.directory === undefined) return undefined
    const { event, required } = await deliverToDirectory(
      { ...common, directory: app.directory, reloadEnv, inUse: this.#health.isComplete(name) },
      signal,
    )
    if (event.status === "ok") await this.#noteComplete(name, required)
    return event
  }

  /** Files that are in place are not worth less because nobody can be told. */
  async #noteComplete(app: string, required: readonly string[]): Promise<void> {
    try {
      await this.#health.complete(app, required)
    } catch (error) {
      this.#log.error(`cannot write the status for purser health: ${reasonOf(error)}`)
    }
  }
}
