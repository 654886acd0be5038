/** A problem, its place and its fix. It never holds a secret's value, nor a part, the length or a digest of it. */
export interface Finding {
  readonly rule: Rule
  readonly level: Level
  readonly subject: Subject
  /** One line. Escape it for a terminal, because it may hold names that other people chose. */
  readonly message: string
  /** The next step. */
  readonly fix: string
  readonly location?: Location
}

/** `error`: a secret can be seen or stolen. `warning`: it probably can. `note`: worth knowing. */
export type Level = "error" | "warning" | "note"

export interface Subject {
  readonly kind: "engine" | "container" | "image" | "compose file"
  readonly name: string
}

export interface Location {
  /** The path as given. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
}

/** A finding of a check, which does not know its subject. */
export type CheckFinding = Omit<Finding, "subject">

/** All rules, each with one line for the documentation and for code hosts. */
export const rules = {
  "secret-in-environment": "a secret is in an environment variable",
  "secret-in-label": "a secret is in a label",
  "secret-in-command": "a secret is in a command line",
  "secret-in-health-check": "a secret is in a health check's command line",
  "secret-in-history": "a secret is in an image's history",
  "secret-in-build-argument": "a secret is in a build argument",
  "secret-in-config": "a secret is written into a config of a Compose file",
  "readable-key": "a private key that is mounted into a container can be read by every user of the host",
  certificate: "a certificate has expired, or soon will",
  "no-tmpfs": "a container asks for files at a path without a tmpfs",
  "asks-in-vain": "a container asks for an app and gets nothing",
  "no-shell": "the only route into a container needs a shell, and its image has none",
  swap: "memory is swapped to a disk that is not encrypted",
  "plain-tcp": "the engine can be reached over the network without encryption",
  "open-socket": "every user of the host may write to the engine's socket, which gives root access",
  clock: "the clocks of the engine and of this machine differ",
} as const

export type Rule = keyof typeof rules

const order: readonly Level[] = ["note", "warning", "error"]

export function isAtLeast(level: Level, least: Level): boolean {
  return order.indexOf(level) >= order.indexOf(least)
}
