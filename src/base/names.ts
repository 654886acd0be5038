import { escapeForTerminal } from "./escape.ts"
import { PurserError } from "./errors.ts"

/**
 * The grammar of names. A secret's name becomes a relative path at the other end,
 * so a name may not leave a directory (`..`) or be hidden in it (`.name`).
 */

const segment = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const label = /^[a-z0-9][a-z0-9-]{0,62}$/
const maxNameBytes = 255
const maxSegments = 8

export function isSecretName(text: string): boolean {
  if (text.length > maxNameBytes) return false
  const segments = text.split("/")
  return segments.length <= maxSegments && segments.every((part) => segment.test(part))
}

/** Returns the name itself. Throws `ERR_NAME`. */
export function parseSecretName(text: string): string {
  if (isSecretName(text)) return text
  throw new PurserError("ERR_NAME", `${quote(text)} is not a name for a secret`, {
    hint: "use one to eight segments of A-Z a-z 0-9 . _ - joined by /, each starting with a letter or digit",
  })
}

/** Returns whether a text is the name of an app or of a node. */
export function isAppName(text: string): boolean {
  return label.test(text)
}

/** Returns the name itself. Throws `ERR_NAME`. */
export function parseAppName(text: string): string {
  if (isAppName(text)) return text
  throw new PurserError("ERR_NAME", `${quote(text)} is not a name for an app`, {
    hint: "use 1 to 63 of a-z 0-9 -, starting with a letter or digit",
  })
}

/**
 * Returns whether a text is a grant: a secret's name, a name with `/*` for everything below it, or `*` for everything.
 */
export function isGrant(text: string): boolean {
  return text === "*" || isSecretName(text.endsWith("/*") ? text.slice(0, -2) : text)
}

/** Returns whether a grant is a pattern, which can cover many names. */
export function isPattern(grant: string): boolean {
  return grant === "*" || grant.endsWith("/*")
}

/** Returns whether a grant (or a pattern of the `secrets:` table) covers this name. */
export function grantCovers(grant: string, name: string): boolean {
  return isPattern(grant) ? name.startsWith(grant.slice(0, -1)) : grant === name
}

/** Quotes foreign text for a message: shortened to 80 characters and escaped. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text
  return `"${escapeForTerminal(shown)}"`
}
