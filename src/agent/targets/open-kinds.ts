import type { PurserError } from "../../base/errors.ts"
import type { Delivery } from "../delivery/delivery.ts"
import type { CreatedKind, OpenTargetKind, TargetKind, TargetPlan } from "./kind.ts"
import type { Schedule } from "./schedule.ts"
import { ScheduledTargets } from "./scheduled-targets.ts"
import type { Target } from "./target.ts"

/** A kind, and what one agent has of it. */
export interface AgentKind {
  readonly kind: TargetKind
  readonly created: CreatedKind
}

/** All kinds of targets under one plan. */
export class OpenKinds implements AsyncDisposable {
  readonly #byName: ReadonlyMap<string, OpenTargetKind>

  constructor(kinds: readonly AgentKind[], plan: TargetPlan, schedule: Schedule<Target>) {
    this.#byName = new Map(
      kinds.map(({ kind, created }) => [kind.name, created.open(plan, new ScheduledTargets(kind, schedule))]),
    )
  }

  /** Looks once. Rejects only with the signal's reason. */
  async find(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#byName.values()].map((kind) => kind.find(signal)))
  }

  /** Begins to look until the signal. */
  watch(signal: AbortSignal): void {
    for (const kind of this.#byName.values()) kind.watch(signal)
  }

  async deliver(target: Target, delivery: Delivery, signal: AbortSignal): Promise<void> {
    await this.#byName.get(target.kind)?.deliver(target, delivery, signal)
  }

  /** Whether the target will be found again when it can be served, so that no retry is due. */
  isAway({ kind }: Target, error: PurserError): boolean {
    return this.#byName.get(kind)?.isAway?.(error) ?? false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#byName.values()].map((kind) => kind[Symbol.asyncDispose]()))
  }
}
