import type { Log } from "../base/log.ts"
import type { AppConfig } from "../apps/config.ts"
import type { AgentPlan } from "./plan.ts"
import type { TargetKind } from "./targets/kind.ts"

/** Warns of settings that are dangerous even though they were written out. */
export function warnOfTargets(
  apps: Readonly<Record<string, AppConfig>>,
  kinds: readonly TargetKind[],
  log: Log,
): void {
  for (const app of Object.values(apps))
    for (const kind of kinds)
      for (const { message, hint } of kind.warnings?.(app) ?? []) log.warn(message, { hint })
}

/** A node asks for its next certificate in the first session after two thirds of the current one's life. */
export function warnOfRenewal({ apps, everyMs }: Pick<AgentPlan, "apps" | "everyMs">, log: Log): void {
  for (const { name, certificate } of Object.values(apps)) {
    if (certificate === undefined || everyMs <= (certificate.days * dayMs) / 6) continue
    log.warn(
      `${name} may be too late for its certificates of ${certificate.days} days: its nodes are seldom served`,
      {
        hint: "make every: less than a sixth of the days, so that one session that fails does not matter",
      },
    )
  }
}

const dayMs = 86_400_000
