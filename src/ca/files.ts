import { isOpenToOthers, readRegularFile } from "../base/read-file.ts"
import { mkdir, open, readdir, rm, stat, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { replaceFile, temporaryPattern } from "../base/atomic-file.ts"
import { PurserError, isPurserError, reasonOf, systemErrorCode } from "../base/errors.ts"
import { makeDirectories } from "../base/make-directories.ts"

/**
 * Reads and writes the files in `ca/`: directories 0700, files 0600, each replaced as a whole. It knows no formats and
 * takes no lock.
 */

/** Many times the size of a record with a long chain. */
const maxBytes = 4 * 1024 * 1024

/** Reads a file of at most 4 MiB; null if it does not exist. Throws `ERR_CA`. */
export async function readText(file: string): Promise<string | null> {
  return await read(file, false)
}

/** {@link readText} for a private key: also throws `ERR_CA` if other users may read or write the file. */
export async function readPrivate(file: string): Promise<string | null> {
  return await read(file, true)
}

async function read(file: string, isPrivate: boolean): Promise<string | null> {
  try {
    const result = await readRegularFile(file, maxBytes)
    if (result.kind === "absent") return null
    if (result.kind === "not-regular") throw new PurserError("ERR_CA", `${file} is not a regular file`)
    if (result.kind === "too-large") throw new PurserError("ERR_CA", `${file} is too large`)
    if (result.kind === "changing") throw new PurserError("ERR_CA", `${file} keeps changing while it is read`)
    if (isPrivate && isOpenToOthers(result.mode)) {
      throw new PurserError("ERR_CA", `the key ${file} can be read or written by other users`, {
        hint: `chmod 600 ${file}; a user who has read the key still needs its passphrase`,
      })
    }
    return result.bytes.toString("utf8")
  } catch (error) {
    if (isPurserError(error)) throw error
    throw new PurserError("ERR_CA", `cannot read ${file}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Whether other users may read or write the file; false if it does not exist. */
export async function isFileOpenToOthers(file: string): Promise<boolean> {
  const info = await stat(file).catch(() => null)
  return info !== null && isOpenToOthers(info.mode)
}

/** Writes or replaces a file, and makes missing directories above it. Throws `ERR_CA`. */
export async function writeText(file: string, text: string): Promise<void> {
  await writing(file, async () => {
    await makeDirectories(dirname(file), 0o700)
    await replaceFile(file, Buffer.from(text), { mode: 0o600 })
  })
}

/** False if the file did not exist. Throws `ERR_CA`. */
export async function removeFile(file: string): Promise<boolean> {
  try {
    await unlink(file)
    return true
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return false
    throw new PurserError("ERR_CA", `cannot remove ${file}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Runs `work` and turns system errors into `ERR_CA` with a message about `file`. */
export async function writing<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isPurserError(error) || systemErrorCode(error) === undefined) throw error
    const full = systemErrorCode(error) === "ENOSPC" || systemErrorCode(error) === "EDQUOT"
    throw new PurserError("ERR_CA", `cannot write ${file}: ${full ? "the disk is full" : reasonOf(error)}`, {
      hint: full ? "free some space and try again" : undefined,
      cause: error,
    })
  }
}

/** The names in a directory; none if it does not exist. Throws `ERR_CA`. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return []
    throw new PurserError("ERR_CA", `cannot read ${directory}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Makes the directory and missing ones above it. Throws `ERR_CA`. */
export async function makeCaDirectory(directory: string): Promise<void> {
  await writing(directory, () => makeDirectories(directory, 0o700))
}

/** Removes temporary files of killed processes. The caller holds the lock, so no running process uses them. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await namesIn(directory)) {
    if (temporaryPattern.test(name)) await rm(join(directory, name), { recursive: true, force: true })
  }
}

/** Writes a new file, mode 0600. Fails with `EEXIST` if it exists already. */
export async function writeNew(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export async function makePrivateDirectory(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700, recursive: true })
}
