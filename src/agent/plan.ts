import type { ChannelLimits } from "../channel/limits.ts"
import type { Engine } from "../docker/engine.ts"
import type { Catalogue } from "../sources/catalogue.ts"
import type { Certificates } from "./certificates.ts"
import type { AppConfig } from "../apps/config.ts"
import type { Pace } from "./targets/schedule.ts"

/** The agent's work. Another plan can take its place while the agent runs. */
export interface AgentPlan {
  readonly apps: Readonly<Record<string, AppConfig>>
  readonly catalogue: Catalogue
  /** Undefined: it has nothing to do with certificates. */
  readonly certificates?: Certificates | undefined
  /** Between deliveries to a known target, in milliseconds. */
  readonly everyMs: number
  /** Between looks for new nodes, in milliseconds. */
  readonly discoverMs: number
  readonly limits: ChannelLimits
  /** Targets served at a time. */
  readonly parallel: number
  /** Time limit of one action, in milliseconds. */
  readonly actionMs: number
  /** To the engine of apps with containers. Undefined: there is no such app. */
  readonly connectEngine?: (signal: AbortSignal) => Promise<Engine>
}

/** A target that fails is tried again after a second, and then ever more seldom. */
const retry = { firstMs: 1000, maxMs: 5 * 60_000 }

/** How fast the targets of the plan are served. */
export function paceOf({ parallel, everyMs }: AgentPlan): Pace {
  const maxMs = Math.max(retry.firstMs, Math.min(retry.maxMs, everyMs))
  return { slots: parallel, everyMs, retry: { firstMs: retry.firstMs, maxMs } }
}
