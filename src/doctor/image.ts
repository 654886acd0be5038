import type { Engine } from "../docker/engine.ts"
import { imageHistory, type ImageDetails } from "../docker/images.ts"
import {
  commandFindings,
  environmentFindings,
  healthCheckFindings,
  labelFindings,
  pairsOf,
} from "./checks/configured.ts"
import { secretsInCommand } from "./command-line.ts"
import type { Found } from "./finding.ts"

/** What everybody gets who gets the image. */
export async function imageFindings(
  engine: Engine,
  image: ImageDetails,
  signal: AbortSignal,
): Promise<Found[]> {
  return [
    ...environmentFindings(pairsOf(image.env)),
    ...labelFindings(image.labels),
    ...commandFindings(image.entrypoint),
    ...commandFindings(image.command),
    ...healthCheckFindings(image.healthcheck),
    ...historyFindings(await imageHistory(engine, image.id, signal)),
  ]
}

/** `ENV` and `LABEL` steps are in the image's configuration as well, and told there. */
export function historyFindings(layers: readonly { readonly createdBy: string }[]): Found[] {
  const found = new Map<string, Found>()
  for (const { createdBy } of layers) {
    const step = createdBy.replace(/^\/bin\/sh -c #\(nop\)\s*/, "")
    if (/^(?:ENV|LABEL|CMD|ENTRYPOINT|HEALTHCHECK)\b/.test(step)) continue
    // Build arguments stand before the command: `|2 A=1 B=2 /bin/sh -c …`.
    const words = step.replace(/^RUN\s+/, "").replace(/^\|\d+\s+/, "")
    for (const reason of secretsInCommand([`${words} `])) {
      found.set(reason, {
        rule: "secret-in-history",
        level: "error",
        message: `its history holds a secret: ${reason}`,
        fix: "replace the secret wherever it is used; build again with docker build --secret, since a later layer takes nothing away",
      })
    }
  }
  return [...found.values()]
}
