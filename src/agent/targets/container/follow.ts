import { setTimeout as delay } from "node:timers/promises"
import type { AuditLog } from "../../../audit/audit-log.ts"
import { backoffMs } from "../../../base/backoff.ts"
import { asPurserError, isPurserError, reasonOf } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import { quote } from "../../../base/names.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import { inspectContainer, listContainers } from "../../../docker/containers.ts"
import type { Engine } from "../../../docker/engine.ts"
import { followEvents, type EngineEvent } from "../../../docker/events.ts"
import { inspectImage } from "../../../docker/images.ts"
import type { AppConfig } from "../../../apps/config.ts"
import type { Schedule } from "../schedule.ts"
import type { ContainerStarts } from "../../../state/container-starts.ts"
import { keyOf, type Target } from "../../target.ts"
import {
  mayConcern,
  membershipOf,
  type Member,
  type Membership,
} from "../../../apps/containers/membership.ts"
import type { ReportedOnce } from "./reported-once.ts"
import type { ContainerDetails } from "../../../docker/container-details.ts"

/**
 * The running containers of an engine as targets: looks at all of them at the start and whenever the connection was
 * lost, and follows the engine's events between. What they get is for `targets/containers.ts`.
 */

export type ConnectToEngine = (signal: AbortSignal) => Promise<Engine>

export interface FollowerOptions {
  readonly connect: ConnectToEngine
  readonly apps: Readonly<Record<string, AppConfig>>
  readonly schedule: Schedule<Target>
  readonly starts: ContainerStarts
  readonly told: ReportedOnce
  readonly audit: AuditLog
  readonly log: Log
}

const retry = { firstMs: 1000, maxMs: 60_000 }
/** One call to the engine; it answers within milliseconds, unless it hangs over one container. */
const callMs = 15_000
/** Containers that are inspected at a time. */
const inspectedAtATime = 8

/** Undefined where no app has containers: then nobody asks for an engine. */
export function createFollower(
  connect: ConnectToEngine | undefined,
  options: Omit<FollowerOptions, "connect">,
): ContainerFollower | undefined {
  if (Object.values(options.apps).every(({ containers }) => containers === undefined)) return undefined
  if (connect === undefined) throw new TypeError("apps have containers, and the plan no engine")
  return new ContainerFollower({ ...options, connect })
}

export class ContainerFollower implements AsyncDisposable {
  readonly #options: FollowerOptions
  readonly #ends = new AbortController()
  readonly #imageLabels = new Map<string, Promise<Readonly<Record<string, string>>>>()
  /** The newest event of each container: what was begun for an earlier one has no say any more. */
  readonly #latest = new Map<string, symbol>()
  /** What goes on beside the reading of events, and needs the engine. */
  readonly #pending = new Set<Promise<unknown>>()
  #engine: Engine | undefined
  #isLost = false
  #following: Promise<void> | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Until it is disposed of. */
  start(): void {
    this.#following = this.#follow(this.#ends.signal).catch((error: unknown) => {
      if (!this.#ends.signal.aborted)
        this.#options.log.error(`following the engine's containers ended: ${reasonOf(error)}`)
    })
  }

  /** Looks once. An engine that is away keeps nothing from the other targets. */
  async look(signal: AbortSignal): Promise<void> {
    try {
      this.#engine = await this.#options.connect(signal)
      await this.#list(this.#engine, signal)
    } catch (thrown) {
      signal.throwIfAborted()
      const error = asPurserError(thrown)
      this.#options.log.error(`cannot look for containers: ${error.message}`, errorFields(error))
    }
  }

  /**
   * What it is to be given now, or undefined: it is gone, no longer the app's, or the engine is away, which is tried
   * again elsewhere. Throws what the engine's calls throw. `during` holds the engine open.
   */
  async use<T>(
    id: string,
    app: string,
    signal: AbortSignal,
    during: (found: { engine: Engine; container: ContainerDetails; member: Member }) => Promise<T>,
  ): Promise<T | undefined> {
    const engine = this.#engine
    if (engine === undefined || this.#isLost || this.#ends.signal.aborted) return undefined
    return await this.#holding(async () => {
      const judged = await this.#judge(engine, id, signal)
      const member = judged?.membership.members.find((one) => one.app.name === app)
      if (judged === undefined || member === undefined) return undefined
      return await during({ engine, container: judged.container, member })
    })
  }

  /** What is under way ends as it began. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ends.abort()
    await this.#following
    await Promise.allSettled(this.#pending)
    await this.#engine?.[Symbol.asyncDispose]()
  }

  async #holding<T>(work: () => Promise<T>): Promise<T> {
    const promise = work()
    this.#pending.add(promise)
    try {
      return await promise
    } finally {
      this.#pending.delete(promise)
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const engine = await this.#connect(signal)
    this.#engine = engine
    const events = followEvents(engine, {
      types: ["container"],
      signal,
      onLost: (error) => this.#lost(error),
    })
    for await (const event of events) {
      if (event.kind === "list") await this.#listAgain(engine, signal)
      else this.#note(engine, event, signal)
    }
  }

  async #connect(signal: AbortSignal): Promise<Engine> {
    for (let failures = 1; ; failures++) {
      try {
        const engine = await this.#options.connect(signal)
        this.#found()
        return engine
      } catch (error) {
        signal.throwIfAborted()
        this.#lost(error)
        await delay(backoffMs(failures, retry), undefined, { signal })
      }
    }
  }

  /** Said once, however often it is tried. */
  #lost(thrown: unknown): void {
    if (this.#isLost || this.#ends.signal.aborted) return
    this.#isLost = true
    const error = asPurserError(thrown)
    const hint = error.hint ?? "its containers get nothing until it answers; other targets go on"
    this.#options.log.warn(`the container engine is away: ${error.message}`, { ...errorFields(error), hint })
  }

  #found(): void {
    if (!this.#isLost) return
    this.#isLost = false
    this.#options.log.info("the container engine answers again")
  }

  async #listAgain(engine: Engine, signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await this.#list(engine, signal)
      } catch (error) {
        if (signal.aborted) return
        // Where its events are lost too, there will be another list; this one is tried until then or until it works.
        this.#lost(error)
        await delay(backoffMs(failures, retry), undefined, { signal }).catch(() => {})
      }
    }
  }

  async #list(engine: Engine, outer: AbortSignal): Promise<void> {
    const { schedule, starts, told, apps } = this.#options
    using limit = new TimeLimit(outer, callMs)
    const all = await listContainers(engine, {}, limit.signal)
    this.#found()
    const running = new Set(all.map(({ id }) => id))
    starts.keepOnly(running)
    told.keepOnly(running)
    const waiting = all.filter((one) => mayConcern(apps, one)).map(({ id }) => id)
    const found = new Set(waiting)
    for (const [key, { container }] of schedule.entries())
      if (container !== undefined && !found.has(container)) schedule.remove(key)
    const next = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift())
        await this.#consider(engine, id, outer, { again: true })
    }
    await Promise.all(Array.from({ length: inspectedAtATime }, next))
  }

  #note(engine: Engine, { action, id }: Extract<EngineEvent, { kind: "event" }>, signal: AbortSignal): void {
    if (action === "die" || action === "destroy") {
      this.#latest.delete(id)
      this.#remove(id)
      this.#options.told.forget(id)
    } else if (["start", "restart", "unpause", "rename"].includes(action)) {
      void this.#holding(() => this.#consider(engine, id, signal, { again: action === "unpause" }))
    }
  }

  /**
   * Makes it the target of whom it belongs to, due at once: for each start once, as a listing finds what its event
   * then tells too, or `again`. Never rejects.
   */
  async #consider(
    engine: Engine,
    id: string,
    signal: AbortSignal,
    { again }: { again: boolean },
  ): Promise<void> {
    const own = Symbol()
    const isCurrent = (): boolean => !signal.aborted && this.#latest.get(id) === own
    this.#latest.set(id, own)
    for (let failures = 1; isCurrent(); failures++) {
      try {
        const judged = await this.#judge(engine, id, signal)
        if (!isCurrent()) return
        const startedAt = judged?.container.state.startedAt ?? ""
        const isNew = this.#options.told.isNew(id, "start", startedAt)
        this.#arrange(id, judged?.membership.members ?? [], isNew || again)
        if (judged !== undefined) await this.#refuse(judged.container, judged.membership)
        break
      } catch (error) {
        // An engine that is away is looked at as a whole when it is back.
        if (!isCurrent() || this.#isLost) break
        if (failures === 1)
          this.#options.log.warn(`cannot look at the container ${id.slice(0, 12)}: ${reasonOf(error)}`)
        if (this.#following === undefined) break
        await delay(backoffMs(failures, retry), undefined, { signal }).catch(() => {})
      }
    }
    if (this.#latest.get(id) === own) this.#latest.delete(id)
  }

  #arrange(id: string, members: readonly Member[], isDue: boolean): void {
    const { schedule } = this.#options
    const targets = members.map(({ app }): Target => ({ app: app.name, container: id }))
    const keys = new Set(targets.map(keyOf))
    this.#remove(id, keys)
    for (const target of targets) {
      const key = keyOf(target)
      if (!schedule.has(key)) schedule.add(key, target, { proven: true })
      else if (isDue) schedule.dueNow((other) => keyOf(other) === key)
    }
  }

  #remove(id: string, except: ReadonlySet<string> = new Set()): void {
    const { schedule } = this.#options
    for (const [key, { container }] of schedule.entries())
      if (container === id && !except.has(key)) schedule.remove(key)
  }

  /** Undefined when it is gone, or does not run. */
  async #judge(
    engine: Engine,
    id: string,
    outer: AbortSignal,
  ): Promise<{ container: ContainerDetails; membership: Membership } | undefined> {
    using limit = new TimeLimit(outer, callMs)
    try {
      const container = await inspectContainer(engine, id, limit.signal)
      if (!container.state.running) return undefined
      const labels = await this.#labelsOf(engine, container.image, limit.signal)
      return { container, membership: membershipOf(this.#options.apps, container, labels) }
    } catch (error) {
      if (isPurserError(error, "ERR_NO_SUCH_CONTAINER")) return undefined
      throw error
    }
  }

  /** An image's id stands for its content, so that one answer holds for ever. */
  async #labelsOf(
    engine: Engine,
    image: string,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>>> {
    const known = this.#imageLabels.get(image)
    if (known !== undefined) return await known
    const labels = inspectImage(engine, image, signal).then((found) => found.labels)
    this.#imageLabels.set(image, labels)
    labels.catch(() => this.#imageLabels.delete(image))
    return await labels
  }

  /** Once for each start of the container. */
  async #refuse({ id, name, image, state }: ContainerDetails, { refusal }: Membership): Promise<void> {
    const { told, log, audit } = this.#options
    const value = `${state.startedAt} ${refusal?.reason ?? ""}`
    if (refusal === undefined || told.has(id, "refused", value)) return
    const { app, reason, hint } = refusal
    log.warn(`the container ${quote(name)} asks for ${quote(app)} and gets nothing: ${reason}`, { hint })
    await audit.append({ kind: "rejected", app, container: id, name, image, reason })
    told.note(id, "refused", value)
  }
}
