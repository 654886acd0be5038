import type { Stats } from "node:fs"
import { digestOf, type Digest } from "../base/digest.ts"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import { Secret } from "../base/secret.ts"
import { openCurrent, readAll, type FilePlace } from "./content.ts"
import type { FileLine } from "./file-line.ts"
import { ownerOf } from "./local-owner.ts"
import { openTargetDirectory, type TargetDirectory } from "./target-directory.ts"

/** Reads the file that an earlier delivery left at a line's path. Anything but a readable regular file counts as absent. */

interface OnDisk {
  readonly digest: Digest
  /** Whether the file has the mode and owner of its line. */
  readonly fits: boolean
}

/** The digest of the file, and whether it fits its line. Null when the file is absent or too large for a secret. */
export async function inspectOnDisk(line: FileLine, directory: string): Promise<OnDisk | null> {
  return await atPlace(line, directory, async (place) => {
    const found = await digestAt(place)
    return found && { digest: found.digest, fits: await fits(found.stats, line, place) }
  })
}

/** The digest of a file whose mode and owner fit its line; null when the content has to be sent. */
export async function digestOnDisk(line: FileLine, directory: string): Promise<Digest | null> {
  const found = await inspectOnDisk(line, directory)
  return found?.fits === true ? found.digest : null
}

/** The content of the file. Null when the file is absent or too large for a secret. */
export async function readOnDisk(line: FileLine, directory: string): Promise<Secret | null> {
  const found = await lookOnDisk(line, directory)
  return found?.bytes ? new Secret(found.bytes) : null
}

interface LookResult {
  /** Null when the file is too large for a secret. */
  readonly bytes: Buffer | null
  readonly stats: Stats
}

/** The bytes and stats of the file. Null when it is absent. */
export async function lookOnDisk(line: FileLine, directory: string): Promise<LookResult | null> {
  return await atPlace(line, directory, lookAt)
}

/** The digest and stats of a file. Null when it is absent or too large for a secret. */
export async function digestAt(place: FilePlace): Promise<{ digest: Digest; stats: Stats } | null> {
  const found = await lookAt(place)
  return found?.bytes ? { digest: digestOf(found.bytes), stats: found.stats } : null
}

async function lookAt(place: FilePlace): Promise<LookResult | null> {
  try {
    await using current = await openCurrent(place)
    return current && { bytes: await readAll(current), stats: current.stats }
  } catch (error) {
    // Writing to this path will fail with the same error, and report it.
    if (error instanceof PurserError || systemErrorCode(error) !== undefined) return null
    throw error
  }
}

async function atPlace<T>(
  line: FileLine,
  directory: string,
  look: (place: TargetDirectory) => Promise<T | null>,
): Promise<T | null> {
  try {
    await using place = await openTargetDirectory(line, directory, { create: false })
    return place && (await look(place))
  } catch (error) {
    if (error instanceof PurserError) return null
    throw error
  }
}

async function fits(stats: Stats, line: FileLine, place: TargetDirectory): Promise<boolean> {
  if (process.platform === "win32") return true
  if ((stats.mode & 0o7777) !== line.mode) return false
  const owner = await ownerOf(line, place)
  return owner === undefined || (stats.uid === owner.uid && stats.gid === owner.gid)
}
