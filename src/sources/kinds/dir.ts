import { readdir, realpath, stat } from "node:fs/promises"
import { join, relative, resolve, sep } from "node:path"
import { z } from "zod"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { isSecretName, quote } from "../../base/names.ts"
import { Secret } from "../../base/secret.ts"
import { configPath } from "../../config/path.ts"
import { filePath } from "../../config/scalars.ts"
import { watchFiles } from "../../state/watch-files.ts"
import { readBounded } from "../bounded-read.ts"
import type { SourceKind } from "../kind.ts"
import type { Source } from "../source.ts"

export interface DirSpec {
  readonly kind: "dir"
  readonly path: string
}

const schema = z.strictObject({
  dir: filePath.describe("every file of this directory, by its relative name"),
})

export const dirKind: SourceKind<typeof schema, DirSpec> = {
  name: "dir",
  schema,
  holds: { kind: "many", ask: "below the pattern" },
  check: (_entry, { name, report }) => report("a directory needs a pattern", `write "${name}/*": { dir: … }`),
  resolve: ({ dir }, directory) => ({ kind: "dir", path: configPath(dir, directory) }),
  open: ({ maxBytes, log, namedFiles }) => ({
    source: ({ path }) => dirSource(path, maxBytes, log, namedFiles),
  }),
}

const maxEntries = 10_000
const maxDepth = 8

/**
 * Gives every file of a directory under its relative name. Files with an invalid name, and links that lead out of the
 * directory, are left out with one warning each. There is no warning for a path in `named`, because another entry gives
 * it a name.
 */
function dirSource(directory: string, maxBytes: number, log: Log, named: ReadonlySet<string>): Source {
  const warned = new Set<string>()
  const skip = (name: string, why: string): void => {
    if (warned.has(name) || warned.size > 1000) return
    warned.add(name)
    log.warn(`${quote(name)} in ${directory} is left out: ${why}`)
  }
  return {
    async read(name) {
      const inside = await resolveInside(directory, join(directory, name))
      if (inside === false) skip(name, "it is a link that leads out of the directory")
      if (inside === null || inside === false) return null
      const bytes = await readBounded(inside, maxBytes)
      return bytes === null ? null : new Secret(bytes)
    },
    async list() {
      const names: string[] = []
      let left = maxEntries
      const walk = async (below: string, depth: number): Promise<void> => {
        for (const entry of await entriesOf(join(directory, below), below === "")) {
          if (left-- <= 0) {
            throw new PurserError("ERR_SOURCE", `${directory} has more than ${maxEntries} entries`, {
              hint: "check dir: in purser.yaml, or use a smaller directory",
            })
          }
          const name = below === "" ? entry : `${below}/${entry}`
          if (!isSecretName(name)) {
            if (named.has(resolve(directory, name))) continue
            skip(name, "names are segments of A-Z a-z 0-9 . _ - that start with a letter or digit")
            continue
          }
          const kind = await kindOf(directory, name)
          if (kind === "outside") skip(name, "it is a link that leads out of the directory")
          else if (kind === "other") skip(name, "it is neither a file nor a directory")
          else if (kind === "file") names.push(name)
          else if (kind === "directory" && depth < maxDepth) await walk(name, depth + 1)
        }
      }
      await walk("", 1)
      return names.toSorted()
    },
    watch: (onChange) =>
      watchFiles(
        directory,
        (path) => {
          const name = relative(directory, path).split(sep).join("/")
          onChange(isSecretName(name) ? name : undefined)
        },
        log,
      ),
  }
}

async function entriesOf(directory: string, isRoot: boolean): Promise<string[]> {
  try {
    return (await readdir(directory)).toSorted()
  } catch (error) {
    // A subdirectory may have been removed meanwhile, but a missing root is an error, not an empty list.
    if (!isRoot && systemErrorCode(error) === "ENOENT") return []
    throw new PurserError("ERR_SOURCE", `cannot read the directory ${directory}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

async function kindOf(
  directory: string,
  name: string,
): Promise<"file" | "directory" | "other" | "outside" | "absent"> {
  const inside = await resolveInside(directory, join(directory, name))
  if (inside === false) return "outside"
  if (inside === null) return "absent"
  try {
    const info = await stat(inside)
    if (info.isFile()) return "file"
    // A link to a directory is skipped, because it could be circular, and its files are listed at their own path.
    if (info.isDirectory()) return inside === join(await realpath(directory), name) ? "directory" : "absent"
    return "other"
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return "absent"
    throw new PurserError("ERR_SOURCE", `cannot read ${join(directory, name)}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

/** Returns the path without links; false if it lies outside the directory, null if it does not exist. */
async function resolveInside(directory: string, path: string): Promise<string | false | null> {
  try {
    const [root, resolved] = await Promise.all([realpath(directory), realpath(path)])
    return resolved.startsWith(root.endsWith(sep) ? root : root + sep) ? resolved : false
  } catch (error) {
    if (isPurserError(error)) throw error
    const code = systemErrorCode(error)
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return null
    throw new PurserError("ERR_SOURCE", `cannot read ${path}: ${reasonOf(error)}`, { cause: error })
  }
}
