import type { Engine } from "../docker/engine.ts"
import { imageHistory, type ImageDetails } from "../docker/images.ts"
import {
  commandFindings,
  environmentFindings,
  healthCheckFindings,
  labelFindings,
  pairsOf,
  shown,
} from "./checks/configured.ts"
import { secretsInCommand } from "./command-line.ts"
import type { Found } from "./finding.ts"
import { suspicionOf } from "./secret-like.ts"

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
    ...historyFindings(await imageHistory(engine, image.id, signal), configuredIn(image)),
  ]
}

/**
 * What its steps were given. The image's own configuration is told by itself, so of `ENV` and the like only that is told
 * here which a later step has taken back, and which is in the history all the same: `configured` are those of now.
 */
export function historyFindings(
  layers: readonly { readonly createdBy: string }[],
  configured: ReadonlySet<string> = new Set(),
): Found[] {
  const found = new Map<string, Found>()
  const tell = (reason: string): void => {
    found.set(reason, {
      rule: "secret-in-history",
      level: "error",
      message: `its history holds a secret: ${reason}`,
      fix: "replace the secret wherever it is used; build again with docker build --secret, since a later layer takes nothing away",
    })
  }
  for (const { createdBy } of layers) {
    const step = createdBy.replace(/^\/bin\/sh -c #\(nop\)\s*/, "").trim()
    const [, kind, assigned] = /^(ENV|LABEL)\s+([^\s=]+=.*)$/s.exec(step) ?? []
    if (kind !== undefined && assigned !== undefined) {
      // Several stand side by side without quotes, so a value with such a thing in it is taken for two.
      const taken = assigned.split(/\s+(?=[A-Za-z_][\w.-]*=)/).filter((one) => !isIn(configured, one))
      for (const [name, value] of pairsOf(taken)) {
        const what = kind === "ENV" ? "environment variable" : "label"
        if (suspicionOf(name, value)?.isSure === true)
          tell(`the ${what} ${shown(name)}, which was set and taken back`)
      }
    } else if (!/^(?:CMD|ENTRYPOINT|HEALTHCHECK)\b/.test(step)) {
      // Build arguments stand before the command: `|2 A=1 B=2 /bin/sh -c …`.
      const words = step.replace(/^RUN\s+/, "").replace(/^\|\d+\s+/, "")
      for (const reason of secretsInCommand([`${words} `])) tell(reason)
    }
  }
  return [...found.values()]
}

function isIn(configured: ReadonlySet<string>, assignment: string): boolean {
  return [...configured].some((one) => one.includes(assignment.replace(/["']/g, "")))
}

/** Assignments as the history would have them. */
function configuredIn(image: ImageDetails): ReadonlySet<string> {
  return new Set([...image.env, ...Object.entries(image.labels).map(([name, value]) => `${name}=${value}`)])
}
