import type { Engine } from "../docker/engine.ts"
import { imageHistory, type ImageDetails } from "../docker/images.ts"
import {
  commandFindings,
  environmentFindings,
  healthCheckFindings,
  labelFindings,
  pairsOf,
  printableName,
} from "./checks/configured.ts"
import { secretsInCommand } from "./command-line.ts"
import type { CheckFinding } from "./finding.ts"
import { suspicionOf } from "./secret-like.ts"

/** Examines an image's configuration and history, which every user of the image gets. */
export async function imageFindings(
  engine: Engine,
  image: ImageDetails,
  signal: AbortSignal,
): Promise<CheckFinding[]> {
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
 * Finds secrets in the build steps. An ENV or LABEL step is reported only if a later step replaced its value, because
 * the image's present configuration, `configured`, is reported by itself.
 */
export function historyFindings(
  layers: readonly { readonly createdBy: string }[],
  configured: ReadonlySet<string> = new Set(),
): CheckFinding[] {
  const found = new Map<string, CheckFinding>()
  const add = (reason: string): void => {
    found.set(reason, {
      rule: "secret-in-history",
      level: "error",
      message: `its history holds a secret: ${reason}`,
      fix: "replace the secret wherever it is used; build again with docker build --secret, because a later layer does not remove it",
    })
  }
  for (const { createdBy } of layers) {
    const step = createdBy.replace(/^\/bin\/sh -c #\(nop\)\s*/, "").trim()
    const [, kind, assigned] = /^(ENV|LABEL)\s+([^\s=]+=.*)$/s.exec(step) ?? []
    if (kind !== undefined && assigned !== undefined) {
      // Several assignments stand side by side without quotes, so a value that contains one is split in two.
      const replaced = assigned.split(/\s+(?=[A-Za-z_][\w.-]*=)/).filter((one) => !isIn(configured, one))
      for (const [name, value] of pairsOf(replaced)) {
        const what = kind === "ENV" ? "environment variable" : "label"
        if (suspicionOf(name, value)?.isSure === true)
          add(`the ${what} ${printableName(name)}, which a later step replaced`)
      }
    } else if (!/^(?:CMD|ENTRYPOINT|HEALTHCHECK)\b/.test(step)) {
      // Build arguments stand before the command: `|2 A=1 B=2 /bin/sh -c …`.
      const words = step.replace(/^RUN\s+/, "").replace(/^\|\d+\s+/, "")
      for (const reason of secretsInCommand([`${words} `])) add(reason)
    }
  }
  return [...found.values()]
}

function isIn(configured: ReadonlySet<string>, assignment: string): boolean {
  return [...configured].some((one) => one.includes(assignment.replace(/["']/g, "")))
}

/** Returns the image's present assignments, in the history's form. */
function configuredIn(image: ImageDetails): ReadonlySet<string> {
  return new Set([...image.env, ...Object.entries(image.labels).map(([name, value]) => `${name}=${value}`)])
}
