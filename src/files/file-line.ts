import { basename, dirname, isAbsolute, join, normalize, sep } from "node:path"
import { PurserError } from "../base/errors.ts"
import { isSecretName, parseSecretName, quote } from "../base/names.ts"

/**
 * A file line: which secret goes to which path, with which mode and owner. YAML,
 * container labels, environment variables and `--file` share this syntax.
 *
 *     NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]
 */
export interface FileLine {
  readonly name: string
  /** The path as written, absolute or below the base directory. Default: the name. */
  readonly path?: string
  /** The permission bits, 0 to 0o777. */
  readonly mode: number
  /** `USER` or `USER:GROUP`, as names or numbers. */
  readonly owner?: string
  /** A delivery is complete without this file. */
  readonly optional: boolean
}

/** The part of a line that determines the path of its file. */
export type LinePath = Pick<FileLine, "name" | "path">

export const defaultDirectory = "/run/secrets"
const defaultMode = 0o400
const grammar = "NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]"

/** The line of a secret with every default. Throws `ERR_NAME`. */
export function fileLineFor(name: string): FileLine {
  return { name: parseSecretName(name), mode: defaultMode, optional: false }
}

/** Reads one line. Throws `ERR_FILE_LINE`, which names the part that cannot be read. */
export function parseFileLine(text: string): FileLine {
  const [name = "", ...parts] = text.trim().split(/\s+/)
  if (!isSecretName(name)) throw bad(text, `${quote(name)} is not a name for a secret`)
  const seen = new Set<string>()
  const line: { -readonly [K in keyof FileLine]: FileLine[K] } = { name, mode: defaultMode, optional: false }
  for (const part of parts) {
    const [key = "", ...rest] = part.split("=")
    if (seen.has(key)) throw bad(text, `${quote(key)} is given twice`)
    seen.add(key)
    const value = rest.join("=")
    if (part === "optional") line.optional = true
    else if (key === "path") line.path = parsePath(text, value)
    else if (key === "mode") line.mode = parseMode(text, value)
    else if (key === "owner") line.owner = parseOwner(text, value)
    else throw bad(text, `${quote(part)} is none of path=, mode=, owner= and optional`)
  }
  return line
}

/**
 * Reads the lines of one or several texts. Ignores empty lines and those that begin with `#`. Throws `ERR_FILE_LINE`,
 * also when two lines have one path.
 */
export function parseFileLines(text: string | readonly string[]): FileLine[] {
  const texts = typeof text === "string" ? [text] : text
  const lines = texts
    .flatMap((part) => part.split("\n"))
    .map((part) => part.trim())
    .filter((part) => part !== "" && !part.startsWith("#"))
    .map(parseFileLine)
  // The base is not known yet, so relative paths are put below one that no absolute path has.
  checkPaths(lines, join(sep, ".purser-base"))
  return lines
}

/** Throws `ERR_FILE_LINE` when two lines have one path, or one's path lies below the other's file. */
export function checkPaths(lines: readonly LinePath[], directory: string): void {
  const paths = new Map<string, LinePath>()
  for (const line of lines) {
    const path = targetPath(line, directory)
    const other = paths.get(path)
    if (other !== undefined)
      throw new PurserError(
        "ERR_FILE_LINE",
        `${other.name} and ${line.name} both go to ${writtenPath(line)}`,
        {
          hint: "give one of them another path=",
        },
      )
    paths.set(path, line)
  }
  for (const [path, line] of paths) {
    for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
      const other = paths.get(above)
      if (other === undefined) continue
      throw new PurserError(
        "ERR_FILE_LINE",
        `${line.name} goes to ${writtenPath(line)}, below the file ${writtenPath(other)} of ${other.name}`,
        { hint: "give one of them another path=" },
      )
    }
  }
}

/** Writes a line as text. {@link parseFileLine} reads it back. */
export function formatFileLine({ name, path, mode, owner, optional }: FileLine): string {
  return [
    name,
    ...(path === undefined ? [] : [`path=${path}`]),
    ...(mode === defaultMode ? [] : [`mode=${mode.toString(8).padStart(4, "0")}`]),
    ...(owner === undefined ? [] : [`owner=${owner}`]),
    ...(optional ? ["optional"] : []),
  ].join(" ")
}

/** The absolute path of the file. */
export function targetPath(line: LinePath, directory: string = defaultDirectory): string {
  const relative = writtenPath(line)
  return isAbsolute(relative) ? normalize(relative) : join(directory, relative)
}

/** The path as written in the line, absolute or below the base directory. */
export function writtenPath({ name, path }: LinePath): string {
  return path ?? name
}

function parsePath(text: string, path: string): string {
  if (path === "" || path.endsWith("/")) throw bad(text, "path= names no file")
  if (path.includes("\0")) throw bad(text, "path= holds a NUL")
  if (path.split(/[/\\]/).some((part) => part === ".." || part === "."))
    throw bad(text, "path= holds a dot segment")
  if (basename(path).startsWith(".purser-")) throw bad(text, "path= begins with .purser-, which is reserved")
  return path
}

function parseMode(text: string, mode: string): number {
  if (!/^0?[0-7]{3}$/.test(mode)) throw bad(text, `mode=${quote(mode)} is not three octal digits up to 0777`)
  return Number.parseInt(mode, 8)
}

function parseOwner(text: string, owner: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/.test(owner))
    throw bad(text, `owner=${quote(owner)} is not USER or USER:GROUP`)
  // 4294967295 means "do not change" to chown(2).
  if (owner.split(":").some((part) => /^\d+$/.test(part) && Number(part) >= 0xffff_ffff))
    throw bad(text, `owner=${quote(owner)} holds a number over 4294967294`)
  return owner
}

function bad(text: string, why: string): PurserError {
  return new PurserError("ERR_FILE_LINE", `cannot read the file line ${quote(text.trim())}: ${why}`, {
    hint: `write ${grammar}`,
  })
}
