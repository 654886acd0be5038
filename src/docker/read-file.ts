import { isPurserError } from "../base/errors.ts"
import { getArchive } from "./archive.ts"
import type { Engine } from "./engine.ts"
import { statusOf } from "./refusal.ts"
import { readTar, type TarEntry } from "./tar.ts"

/** Returns the file, directory or link at this path of a container, as the engine's archive call sees it, or null. */
export async function readEntryIn(
  engine: Engine,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<TarEntry | null> {
  const archive = await getArchive(engine, id, path, signal).catch((error: unknown) => {
    if (isPurserError(error, "ERR_DOCKER") && statusOf(error) === 404) return null
    throw error
  })
  return archive === null ? null : (readTar(archive)[0] ?? null)
}

/**
 * Reads the text of a small file of a container, which need not run. Null for a missing file or one above `maxBytes`.
 */
export async function readFileIn(
  engine: Engine,
  id: string,
  { path, maxBytes }: { path: string; maxBytes: number },
  signal: AbortSignal,
): Promise<string | null> {
  const file = await readEntryIn(engine, id, path, signal)
  return file?.type === "file" && file.size <= maxBytes ? file.content.toString("utf8") : null
}
