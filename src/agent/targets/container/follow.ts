import { setTimeout as delay } from "node:timers/promises"
import type { AuditLog } from "../../../audit/audit-log.ts"
import { backoffMs } from "../../../base/backoff.ts"
import { asPurserError, reasonOf } from "../../../base/errors.ts"
import { errorFields, type Log } from "../../../base/log.ts"
import { quote } from "../../../base/names.ts"
import { TimeLimit } from "../../../base/time-limit.ts"
import { listContainers } from "../../../docker/containers.ts"
import type { Engine } from "../../../docker/engine.ts"
import { followEvents, type EngineEvent } from "../../../docker/events.ts"
import type { AppConfig } from "../../../apps/config.ts"
import { mayConcern, type Member } from "../../../apps/containers/membership.ts"
import type { ContainerStarts } from "../../../state/container-starts.ts"
import type { FoundTargets } from "../kind.ts"
import { EngineLink, retry, type ConnectToEngine } from "./engine-link.ts"
import { callMs, ContainerJudge, type JudgedContainer } from "./judge.ts"
import type { ReportedOnce } from "./reported-once.ts"
import type { ContainerTarget } from "./target.ts"

/**
 * The running containers of an engine as targets: looks at all of them at the start and whenever the connection was
 * lost, and follows the engine's events between. Their files are up to `deliver.ts`.
 */

export interface FollowerOptions {
  readonly connect: ConnectToEngine
  readonly apps: Readonly<Record<string, AppConfig>>
  readonly found: FoundTargets<ContainerTarget>
  readonly starts: ContainerStarts
  readonly reported: ReportedOnce
  readonly audit: AuditLog
  readonly log: Log
}

/** Containers that are inspected at a time. */
const inspectedAtATime = 8

export class ContainerFollower implements AsyncDisposable {
  readonly #options: FollowerOptions
  readonly #ends = new AbortController()
  readonly #link: EngineLink
  readonly #judge: ContainerJudge
  /** The newest event of each container, which cancels what was begun for an earlier one. */
  readonly #latest = new Map<string, symbol>()
  /** Work that goes on beside the reading of events, and needs the engine. */
  readonly #pending = new Set<Promise<unknown>>()
  #following: Promise<void> | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#link = new EngineLink(options.connect, options.log)
    this.#judge = new ContainerJudge(options.apps)
  }

  /** Follows the engine until it is disposed of. */
  start(): void {
    this.#following = this.#follow(this.#ends.signal).catch((error: unknown) => {
      if (!this.#ends.signal.aborted)
        this.#options.log.error(`following the engine's containers ended: ${reasonOf(error)}`)
    })
  }

  /** Looks once. An engine that is away keeps nothing from the other targets. */
  async look(signal: AbortSignal): Promise<void> {
    try {
      await this.#list(await this.#link.connectOnce(signal), signal)
    } catch (thrown) {
      signal.throwIfAborted()
      const error = asPurserError(thrown)
      this.#options.log.error(`cannot look for containers: ${error.message}`, errorFields(error))
    }
  }

  /**
   * Inspects the container, and passes it on while it holds the engine open. Does nothing when the container is gone or
   * no longer the app's, or when the engine is away, which is tried again elsewhere. Throws what the engine's calls and
   * `during` throw.
   */
  async use(
    { id, app }: ContainerTarget,
    signal: AbortSignal,
    during: (found: {
      engine: Engine
      container: JudgedContainer["container"]
      member: Member
    }) => Promise<void>,
  ): Promise<void> {
    const { engine } = this.#link
    if (engine === undefined) return
    await this.#holding(async () => {
      const judged = await this.#judge.judge(engine, id, signal)
      const member = judged?.membership.members.find((one) => one.app.name === app)
      if (judged === undefined || member === undefined) return
      await during({ engine, container: judged.container, member })
    })
  }

  /** Lets deliveries in flight end first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.end()
    this.#ends.abort()
    await this.#following
    await Promise.allSettled(this.#pending)
    await this.#link[Symbol.asyncDispose]()
  }

  async #holding(work: () => Promise<void>): Promise<void> {
    const promise = work()
    this.#pending.add(promise)
    try {
      await promise
    } finally {
      this.#pending.delete(promise)
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const engine = await this.#link.connect(signal)
    const events = followEvents(engine, {
      types: ["container"],
      signal,
      onLost: (error) => this.#link.noteLost(error),
    })
    for await (const event of events) {
      if (event.kind === "list") await this.#listAgain(engine, signal)
      else this.#note(engine, event, signal)
    }
  }

  async #listAgain(engine: Engine, signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await this.#list(engine, signal)
      } catch (error) {
        if (signal.aborted) return
        // If the events are lost too, another list follows; this one is tried until then or until it works.
        this.#link.noteLost(error)
        await delay(backoffMs(failures, retry), undefined, { signal }).catch(() => {})
      }
    }
  }

  async #list(engine: Engine, outer: AbortSignal): Promise<void> {
    const { found, starts, reported, apps } = this.#options
    using limit = new TimeLimit(outer, callMs)
    const all = await listContainers(engine, {}, limit.signal)
    this.#link.noteFound()
    const running = new Set(all.map(({ id }) => id))
    starts.keepOnly(running)
    reported.keepOnly(running)
    const waiting = all.filter((one) => mayConcern(apps, one)).map(({ id }) => id)
    const concerned = new Set(waiting)
    found.keepOnly(({ id }) => concerned.has(id))
    const next = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift())
        await this.#consider(engine, id, outer, { again: true })
    }
    await Promise.all(Array.from({ length: inspectedAtATime }, next))
  }

  #note(engine: Engine, { action, id }: Extract<EngineEvent, { kind: "event" }>, signal: AbortSignal): void {
    if (action === "die" || action === "destroy") {
      this.#latest.delete(id)
      this.#options.found.keepOnly((target) => target.id !== id)
      this.#options.reported.forget(id)
    } else if (["start", "restart", "unpause", "rename"].includes(action)) {
      void this.#holding(() => this.#consider(engine, id, signal, { again: action === "unpause" }))
    }
  }

  /**
   * Makes the container a target of the apps that it belongs to, due at once: once for each start, because both a
   * listing and an event may report it, or again if `again` says so. Never rejects.
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
        const judged = await this.#judge.judge(engine, id, signal)
        if (!isCurrent()) return
        const startedAt = judged?.container.state.startedAt ?? ""
        const isNew = this.#options.reported.isNew(id, "start", startedAt)
        this.#arrange(id, judged?.membership.members ?? [], isNew || again)
        if (judged !== undefined) await this.#refuse(judged)
        break
      } catch (error) {
        // An engine that is away is looked at as a whole when it is back.
        if (!isCurrent() || this.#link.isLost) break
        if (failures === 1)
          this.#options.log.warn(`cannot look at the container ${id.slice(0, 12)}: ${reasonOf(error)}`)
        if (this.#following === undefined) break
        await delay(backoffMs(failures, retry), undefined, { signal }).catch(() => {})
      }
    }
    if (this.#latest.get(id) === own) this.#latest.delete(id)
  }

  #arrange(id: string, members: readonly Member[], again: boolean): void {
    const { found } = this.#options
    const apps = new Set(members.map(({ app }) => app.name))
    found.keepOnly((target) => target.id !== id || apps.has(target.app))
    for (const app of apps) found.add({ kind: "container", app, id }, { again })
  }

  /** Reports a refusal once for each start of the container. */
  async #refuse({ container, membership: { refusal } }: JudgedContainer): Promise<void> {
    const { reported, log, audit } = this.#options
    const { id, name, image, state } = container
    const value = `${state.startedAt} ${refusal?.reason ?? ""}`
    if (refusal === undefined || reported.has(id, "refused", value)) return
    const { app, reason, hint } = refusal
    log.warn(`the container ${quote(name)} asks for ${quote(app)} and gets nothing: ${reason}`, { hint })
    await audit.append({ kind: "rejected", app, container: id, name, image, reason })
    reported.note(id, "refused", value)
  }
}
