import type { FoundTargets } from "./kind.ts"
import type { Schedule } from "./schedule.ts"
import type { Target } from "./target.ts"

/** The targets of one kind in the schedule, as one plan finds them. */
export class ScheduledTargets<T extends Target> implements FoundTargets<T> {
  readonly #kind: T["kind"]
  readonly #keyOf: (target: T) => string
  readonly #schedule: Schedule<Target>
  /** Keys of targets from the previous plan, until this one finds them. */
  readonly #previous: Set<string>

  constructor(kind: { readonly name: T["kind"]; key(target: T): string }, schedule: Schedule<Target>) {
    this.#kind = kind.name
    this.#keyOf = (target) => `${kind.name} ${kind.key(target)}`
    this.#schedule = schedule
    this.#previous = new Set(this.#entries().map(([key]) => key))
  }

  add(target: T, { isProven = true, again = false }: { isProven?: boolean; again?: boolean } = {}): void {
    const key = this.#keyOf(target)
    const isDue = this.#previous.delete(key) || again
    if (!this.#schedule.has(key)) this.#schedule.add(key, target, { proven: isProven })
    else if (isDue) this.#schedule.makeDue(key)
  }

  keepOnly(holds: (target: T) => boolean): void {
    for (const [key, target] of this.#entries()) if (!holds(target)) this.#schedule.remove(key)
  }

  #entries(): [key: string, T][] {
    const isOwn = (target: Target): target is T => target.kind === this.#kind
    return [...this.#schedule.entries()].flatMap(([key, target]): [string, T][] =>
      isOwn(target) ? [[key, target]] : [],
    )
  }
}
