import type { Log } from "../base/log.ts"
import type { AppConfig } from "../apps/config.ts"
import type { AgentPlan } from "./plan.ts"

/** What was written out, and is dangerous all the same. */
export function warnOfTrust(apps: Readonly<Record<string, AppConfig>>, log: Log): void {
  for (const { name, trust, protocol, containers } of Object.values(apps)) {
    if (containers !== undefined && containers.images === undefined) {
      log.warn(
        `${name} has any_image: true: what else its rule asks for is all that its containers must meet`,
        {
          hint: "name the images: image: [sha256:…], as docker inspect --format '{{.Image}}' CONTAINER gives it",
        },
      )
    }
    if (protocol === "fluxvault") {
      log.warn(
        `${name} speaks FluxVault's protocol: its nodes are not authenticated, and whoever answers at an address can read the content of every name it asks for`,
        { hint: "once a node is Purser's, take protocol: fluxvault away and enrol it (docs/fluxvault.md)" },
      )
    } else if (trust === "discovered") {
      log.warn(`${name} has trust: discovered: whoever answers at its addresses gets its secrets`, {
        hint: "use trust: enrolled, and give the nodes what purser enrol prints",
      })
    }
  }
}

/** A node asks for its next certificate in the first session after two thirds of the life of the one before. */
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
