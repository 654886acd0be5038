import { quote } from "../../base/names.ts"
import { secretsInCommand } from "../command-line.ts"
import type { Found, Rule } from "../finding.ts"
import { suspicionOf } from "../secret-like.ts"

/** What containers, images and Compose files have in common: everybody who may inspect them reads it. */

const mountInstead =
  "deliver it as a file in memory (purser run, purser cp, or labels for purser agent), and set NAME_FILE to its path"

/** `entries`: names and values. An enrolment string is a user's own choice, and only worth a note. */
export function environmentFindings(
  entries: Iterable<readonly [name: string, value: string]>,
  rule: Rule = "secret-in-environment",
): Found[] {
  const found: Found[] = []
  for (const [name, value] of entries) {
    if (name === "PURSER_ENROL" && value.startsWith("purser1.")) {
      if (value.split(".").length > 3)
        found.push({
          rule,
          level: "note",
          message: "the environment variable PURSER_ENROL holds an enrolment string with its token",
          fix: "where others may inspect the container, use PURSER_ENROL_FILE, or trust: approved, whose string holds no secret",
        })
      continue
    }
    const suspicion = suspicionOf(name, value)
    if (suspicion === null) continue
    const what = rule === "secret-in-build-argument" ? "build argument" : "environment variable"
    found.push({
      rule,
      level: suspicion.isSure ? "error" : "warning",
      message: `the ${what} ${shown(name)} is probably a secret: ${suspicion.reason}`,
      fix:
        rule === "secret-in-build-argument"
          ? "give it to the build as a secret: purser secret get NAME | docker build --secret id=NAME,src=/dev/stdin …"
          : mountInstead,
    })
  }
  return found
}

export function labelFindings(labels: Readonly<Record<string, string>>): Found[] {
  return Object.entries(labels).flatMap(([name, value]) => {
    const suspicion = suspicionOf(name, value)
    if (suspicion === null) return []
    return {
      rule: "secret-in-label" as const,
      level: suspicion.isSure ? ("error" as const) : ("warning" as const),
      message: `the label ${shown(name)} is probably a secret: ${suspicion.reason}`,
      fix: "labels are for everybody who may list containers or images: take it out, and deliver it as a file",
    }
  })
}

export function commandFindings(words: readonly string[], what = "command line"): Found[] {
  return secretsInCommand(words).map((reason) => ({
    rule: "secret-in-command",
    level: "error",
    message: `the ${what} holds a secret: ${reason}`,
    fix: "let the program read it from a file (--password-file and the like) that is delivered into memory",
  }))
}

/** As the API has it: `["CMD-SHELL", "…"]`. */
export function healthCheckFindings(test: readonly string[]): Found[] {
  return secretsInCommand(test).map((reason) => ({
    rule: "secret-in-health-check",
    level: "error",
    message: `the health check holds a secret: ${reason}`,
    fix: "let it read the secret from its file in the container, or use a check that needs none",
  }))
}

/** `NAME=value`, as containers and images have them. */
export function pairsOf(env: readonly string[]): [string, string][] {
  return env.map((entry) => {
    const equals = entry.indexOf("=")
    return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)]
  })
}

/** A name may be somebody's mistake too: only what looks like one is printed. */
export function shown(name: string): string {
  return /^[\w./-]{1,100}$/.test(name) ? name : quote(name.slice(0, 40))
}
