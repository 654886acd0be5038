import { posix } from "node:path"
import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"

/** The destination of `purser cp`: `CONTAINER:/path`, or `:/path` for the containers that flags choose. */
export interface Destination {
  /** The name or id; undefined for `:/path`. */
  readonly container: string | undefined
  /** The absolute, normalised path without a trailing slash. */
  readonly path: string
  /** Whether the path ended in a slash, so that the files go into it under their own names. */
  readonly isDirectory: boolean
}

const containerName = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

/** Reads a destination. Throws `ERR_USAGE`. */
export function parseDestination(text: string): Destination {
  const colon = text.indexOf(":")
  if (colon < 0) throw bad(text, "it has no colon between container and path")
  const [container, path] = [text.slice(0, colon), text.slice(colon + 1)]
  if (container !== "" && !containerName.test(container))
    throw bad(text, "the part before the colon is not a container's name or id")
  if (!path.startsWith("/")) throw bad(text, "the path in the container is not absolute")
  if (path.includes("\0")) throw bad(text, "the path holds a NUL")
  if (path.split("/").some((part) => part === "." || part === ".."))
    throw bad(text, "the path holds a dot segment")
  const isDirectory = path.endsWith("/")
  const normal = posix.normalize(path)
  return {
    container: container === "" ? undefined : container,
    path: normal === "/" ? normal : normal.replace(/\/$/, ""),
    isDirectory,
  }
}

/** The path in the container of each source. Throws `ERR_USAGE` when two sources would have one path. */
export function pathsFor(sources: readonly string[], { path, isDirectory }: Destination): string[] {
  if (!isDirectory) {
    if (sources.length === 1) return [path]
    throw new PurserError("ERR_USAGE", `${sources.length} files cannot all become ${path}`, {
      hint: `end it with a slash to put them into that directory: ${path}/`,
    })
  }
  if (sources.includes("-")) {
    throw new PurserError("ERR_USAGE", "standard input has no file name", {
      hint: `give the file a name: ${posix.join(path, "NAME")}`,
    })
  }
  const paths = sources.map((source) => posix.join(path, nameOf(source)))
  const twice = paths.find((one, index) => paths.indexOf(one) !== index)
  if (twice === undefined) return paths
  throw new PurserError("ERR_USAGE", `two of the files would become ${twice}`, {
    hint: "copy one of them with a separate command, under another name",
  })
}

function nameOf(source: string): string {
  const name = source.split(/[/\\]/).at(-1) ?? ""
  if (!["", ".", ".."].includes(name)) return name
  throw new PurserError("ERR_USAGE", `${quote(source)} names no file`, {
    hint: "directories are not copied: name the files",
  })
}

function bad(text: string, why: string): PurserError {
  return new PurserError("ERR_USAGE", `cannot read the destination ${quote(text)}: ${why}`, {
    hint: "write CONTAINER:/path/file, CONTAINER:/directory/, or :/path with --label or --compose-service",
  })
}
