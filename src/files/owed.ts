import { constants } from "node:fs"
import { open, opendir, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { replaceFile, temporaryPattern } from "../base/atomic-file.ts"
import { isDigest, type Digest } from "../base/digest.ts"
import { reasonOf, systemErrorCode } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { digestOnDisk } from "./content.ts"
import { pathOf, type FileLine } from "./file-line.ts"
import { formatReload, type Reload, type RunReload } from "./reload.ts"

/**
 * Reloads that are owed. A crash between the rename and the reload must not
 * lose it, so it is noted before the rename, in a file beside the new content
 * (which makes it vanish exactly when the content does), and crossed out after
 * the reload succeeded. Others may be able to write that file: it says only
 * that a reload is owed; what is run is what the configuration says.
 */

const owedFile = ".purser-owed.json"

export interface Owed {
  /** The file's name in this directory. */
  readonly leaf: string
  readonly digest: Digest
  /** As `formatReload` writes it. */
  readonly reload: string
}

export interface Where {
  /** Base directory. */
  readonly directory: string
  /** Lines whose paths may lie elsewhere. */
  readonly files?: readonly FileLine[]
}

export interface OwedOptions extends Where {
  /** Undefined: nobody wants one any more. */
  readonly reload?: Reload
  runReload: RunReload
  log: Log
  signal: AbortSignal
}

/** Adds to what is owed in a directory. */
export async function recordOwed(directory: string, owed: readonly Owed[]): Promise<void> {
  const leaves = new Set(owed.map(({ leaf }) => leaf))
  const kept = (await readOwed(directory)).filter(({ leaf }) => !leaves.has(leaf))
  await writeOwed(directory, [...kept, ...owed])
}

export async function clearOwed(directory: string): Promise<void> {
  await rm(join(directory, owedFile), { force: true })
}

/**
 * Runs the reload once if it is owed for content that is still in place, and drops what is owed for other content.
 * Resolves with whether it ran. Throws what the reload throws, and then it stays owed.
 */
export async function runOwedReload({
  reload,
  runReload,
  log,
  signal,
  ...where
}: OwedOptions): Promise<boolean> {
  const directories: string[] = []
  let isOwed = false
  for await (const directory of directoriesOf(where)) {
    const owed = await readOwed(directory)
    if (owed.length > 0) directories.push(directory)
    for (const { leaf, digest } of owed) {
      const line: FileLine = { name: leaf, path: leaf, mode: 0, optional: false }
      if ((await digestOnDisk(line, directory)) === digest) isOwed = true
    }
  }
  const runs = isOwed && reload !== undefined
  if (runs) {
    log.info(`running the reload that is owed: ${formatReload(reload)}`)
    await runReload(reload, signal)
  }
  for (const directory of directories) await clearOwed(directory)
  return runs
}

/** What a process that was killed left half-written. */
export async function removeStaleTemporaries(where: Where): Promise<void> {
  for await (const directory of directoriesOf(where)) {
    for await (const entry of await opendir(directory)) {
      if (temporaryPattern.test(entry.name)) await rm(join(directory, entry.name), { force: true })
    }
  }
}

async function readOwed(directory: string): Promise<Owed[]> {
  try {
    const flags =
      constants.O_RDONLY | (process.platform === "win32" ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const handle = await open(join(directory, owedFile), flags)
    try {
      const list: unknown = JSON.parse(await handle.readFile("utf8"))
      return Array.isArray(list) ? list.filter(isOwed) : []
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT" || error instanceof SyntaxError) return []
    throw error
  }
}

async function writeOwed(directory: string, owed: readonly Owed[]): Promise<void> {
  await replaceFile(join(directory, owedFile), Buffer.from(`${JSON.stringify(owed)}\n`))
}

function isOwed(value: unknown): value is Owed {
  if (typeof value !== "object" || value === null) return false
  const { leaf, digest, reload } = value as Record<string, unknown>
  return typeof leaf === "string" && !/[/\0]/.test(leaf) && isDigest(digest) && typeof reload === "string"
}

/** The base directory, those below it, and those of lines that go elsewhere; as far as they are there. */
async function* directoriesOf({ directory, files = [] }: Where): AsyncGenerator<string> {
  const elsewhere = files
    .map((line) => dirname(pathOf(line, directory)))
    .filter((path) => !`${path}/`.startsWith(`${directory}/`))
  yield* walk(directory, 8)
  for (const path of new Set(elsewhere)) yield* walk(path, 0)
}

async function* walk(directory: string, depth: number): AsyncGenerator<string> {
  const below: string[] = []
  try {
    for await (const entry of await opendir(directory)) {
      if (depth > 0 && entry.isDirectory()) below.push(join(directory, entry.name))
    }
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return
    throw new Error(`cannot look into ${directory}: ${reasonOf(error)}`, { cause: error })
  }
  yield directory
  for (const path of below) yield* walk(path, depth - 1)
}
