import { quote } from "../../base/names.ts"
import { secretsInCommand } from "../command-line.ts"
import type { CheckFinding, Rule } from "../finding.ts"
import { suspicionOf } from "../secret-like.ts"

/** Checks of configuration that every user who may inspect a container, an image or a Compose file can read. */

const mountInstead =
  "deliver it as a file in memory (purser run, purser cp, or labels for purser agent), and set NAME_FILE to its path"

/** Finds secrets in names and values. An enrolment string is only a note, because the user chose to put it there. */
export function environmentFindings(
  entries: Iterable<readonly [name: string, value: string]>,
  rule: Rule = "secret-in-environment",
): CheckFinding[] {
  const found: CheckFinding[] = []
  for (const [name, value] of entries) {
    if (name === "PURSER_ENROL" && value.startsWith("purser1.")) {
      if (value.split(".").length > 3)
        found.push({
          rule,
          level: "note",
          message: "the environment variable PURSER_ENROL holds an enrolment string with its token",
          fix: "if others may inspect the container, use PURSER_ENROL_FILE, or trust: approved, whose string holds no secret",
        })
      continue
    }
    const suspicion = suspicionOf(name, value)
    if (suspicion === null) continue
    const what = rule === "secret-in-build-argument" ? "build argument" : "environment variable"
    found.push({
      rule,
      level: suspicion.isSure ? "error" : "warning",
      message: `the ${what} ${printableName(name)} is probably a secret: ${suspicion.reason}`,
      fix:
        rule === "secret-in-build-argument"
          ? "give it to the build as a secret: purser secret get NAME | docker build --secret id=NAME,src=/dev/stdin …"
          : mountInstead,
    })
  }
  return found
}

export function labelFindings(labels: Readonly<Record<string, string>>): CheckFinding[] {
  return Object.entries(labels).flatMap(([name, value]) => {
    const suspicion = suspicionOf(name, value)
    if (suspicion === null) return []
    return {
      rule: "secret-in-label" as const,
      level: suspicion.isSure ? ("error" as const) : ("warning" as const),
      message: `the label ${printableName(name)} is probably a secret: ${suspicion.reason}`,
      fix: "remove it and deliver it as a file, because every user who may list containers or images sees labels",
    }
  })
}

export function commandFindings(words: readonly string[], what = "command line"): CheckFinding[] {
  return secretsInCommand(words).map((reason) => ({
    rule: "secret-in-command",
    level: "error",
    message: `the ${what} holds a secret: ${reason}`,
    fix: "let the program read it from a file (--password-file and the like) that is delivered into memory",
  }))
}

/** Finds secrets in a health check of the API's form: `["CMD-SHELL", "…"]`. */
export function healthCheckFindings(test: readonly string[]): CheckFinding[] {
  return secretsInCommand(test).map((reason) => ({
    rule: "secret-in-health-check",
    level: "error",
    message: `the health check holds a secret: ${reason}`,
    fix: "let it read the secret from a file in the container, or use a check that needs no secret",
  }))
}

/** Splits entries `NAME=value`, the form that containers and images use. */
export function pairsOf(env: readonly string[]): [string, string][] {
  return env.map((entry) => {
    const equals = entry.indexOf("=")
    return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)]
  })
}

/**
 * Returns a name for a message. A text that does not look like a name is quoted and cut, because it may be a secret by
 * mistake.
 */
export function printableName(name: string): string {
  return /^[\w./-]{1,100}$/.test(name) ? name : quote(name.slice(0, 40))
}
