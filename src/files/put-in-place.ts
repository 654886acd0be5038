import { constants } from "node:fs"
import { join } from "node:path"
import { PurserError, systemErrorCode } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { openRegular, readAll, verifyContent } from "./content.ts"
import { setOwnerAndMode, type StagedFile } from "./stage.ts"
import { rename, rm, type FileHandle } from "./system-calls.ts"
import { targetError } from "./target-directory.ts"

/** Renames a staged file to its own name, or overwrites a file that is a mount point. Throws `ERR_TARGET`. */
export async function putInPlace(staged: StagedFile, log: Log): Promise<void> {
  const { place, temporary } = staged
  const target = join(place.directory, place.leaf)
  try {
    await rename(temporary, target)
  } catch (error) {
    // A bind-mounted single file cannot be replaced, only overwritten.
    if (systemErrorCode(error) !== "EBUSY") throw targetError(place.path, error)
    log.warn(`${place.path} is a mount point and was overwritten in place, which is not atomic`, {
      hint: "mount the directory instead of the single file",
    })
    await overwrite(target, staged)
    await rm(temporary, { force: true })
  }
}

async function overwrite(target: string, { file, place, owner }: StagedFile): Promise<void> {
  try {
    await using current = await openRegular(target, place.path, constants.O_RDWR)
    const { handle, stats } = current
    if (stats.nlink !== 1) {
      throw new PurserError(
        "ERR_TARGET",
        `cannot write ${place.path}: it is a mount point with other hard links`,
      )
    }
    await setOwnerAndMode(handle, file.mode, owner)
    const old = await readAll(current)
    try {
      await writeOver(handle, file.content.reveal())
    } catch (error) {
      // The file still has its blocks, so a full disk does not prevent this.
      if (old !== null) await writeOver(handle, old).catch(() => {})
      throw error
    }
    await verifyContent(target, place.path, file.content)
  } catch (error) {
    throw targetError(place.path, error)
  }
}

/** Overwrites a file. Truncates it only at the end, so that no block is freed before the new content has all its blocks. */
async function writeOver(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await handle.write(bytes, done, bytes.length - done, done)).bytesWritten
  await handle.truncate(bytes.length)
  await handle.sync()
}
