import { createFlags, temporaryIn } from "../base/atomic-file.ts"
import type { Secret } from "../base/secret.ts"
import { holds, openCurrent, verifyContent } from "./content.ts"
import type { FileLine } from "./file-line.ts"
import type { Owner } from "./owner.ts"
import { open, rm, type FileHandle } from "./system-calls.ts"
import { targetError, type TargetDirectory } from "./target-directory.ts"

/** Writes a new file under a temporary name, and verifies it. Does not rename it. */

export interface FileToInstall extends Omit<FileLine, "optional"> {
  readonly content: Secret
}

export interface StagedFile {
  readonly file: FileToInstall
  readonly place: TargetDirectory
  readonly temporary: string
  readonly owner: Owner | undefined
  /** Whether the file's own name holds other content now. */
  readonly replaces: boolean
}

/** Stages a file. Null when its name has the content already; then its mode and owner are corrected. Throws `ERR_TARGET`. */
export async function stage(
  file: FileToInstall,
  place: TargetDirectory,
  owner: Owner | undefined,
): Promise<StagedFile | null> {
  const current = await compare(file, place, owner)
  if (current === "same") return null
  const temporary = temporaryIn(place.directory)
  try {
    const handle = await open(temporary, createFlags, 0o600)
    try {
      // Before the content is written, so that no other user can read it at any time.
      await setOwnerAndMode(handle, file.mode, owner)
      await handle.writeFile(file.content.reveal())
      await handle.sync()
    } finally {
      await handle.close()
    }
    await verifyContent(temporary, place.path, file.content)
    return { file, place, temporary, owner, replaces: current === "other" }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw targetError(place.path, error)
  }
}

/** Compares the file in place. Corrects the mode and owner of the same content through its descriptor. */
async function compare(
  { content, mode }: FileToInstall,
  place: TargetDirectory,
  owner: Owner | undefined,
): Promise<"same" | "other" | "none"> {
  try {
    await using current = await openCurrent(place)
    if (current === null) return "none"
    if (!(await holds(current, content))) return "other"
    // Replaced rather than changed, because its other hard links may need the present mode and owner.
    if (current.stats.nlink > 1) return "none"
    await setOwnerAndMode(current.handle, mode, owner)
    return "same"
  } catch (error) {
    throw targetError(place.path, error)
  }
}

/** Sets owner and mode where they differ. Does nothing on Windows. */
export async function setOwnerAndMode(
  handle: FileHandle,
  mode: number,
  owner: Owner | undefined,
): Promise<void> {
  if (process.platform === "win32") return
  const stats = await handle.stat()
  if (owner !== undefined && (stats.uid !== owner.uid || stats.gid !== owner.gid))
    await handle.chown(owner.uid, owner.gid)
  if ((stats.mode & 0o7777) !== mode) await handle.chmod(mode)
}
