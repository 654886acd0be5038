import type { Log } from "../base/log.ts"
import type { AppConfig } from "./config.ts"

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
