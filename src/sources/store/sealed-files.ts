import { mkdir, readdir, rmdir, stat, unlink } from "node:fs/promises"
import { dirname, join, relative, sep } from "node:path"
import { replaceFile } from "../../base/atomic-file.ts"
import { PurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import { isSecretName, parseSecretName } from "../../base/names.ts"
import { hardSecretBytes } from "../../channel/limits.ts"
import { watchFiles } from "../../state/watch-files.ts"
import { ciphertextBytes } from "../age-file.ts"
import { readBounded } from "../bounded-read.ts"

const suffix = ".age"

/**
 * Reads and writes the encrypted files `NAME.age` of a directory. Each file is replaced as a whole, so readers take no
 * lock.
 */
export class SealedFiles {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** Returns the names, sorted. Throws `ERR_STORE`. */
  async names(): Promise<string[]> {
    try {
      const entries = await readdir(this.directory, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
        .map((entry) => this.#nameOf(join(entry.parentPath, entry.name)))
        .filter((name) => isSecretName(name))
        .toSorted()
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return []
      throw new PurserError("ERR_STORE", `cannot read ${this.directory}: ${reasonOf(error)}`, {
        cause: error,
      })
    }
  }

  /** Returns the encrypted content, or null if there is no such file. Throws `ERR_NAME`, `ERR_SOURCE`. */
  async read(name: string): Promise<Buffer | null> {
    return await readBounded(this.#fileOf(name), ciphertextBytes(hardSecretBytes))
  }

  /** Returns the time of the last write, or null if there is no such file. Throws `ERR_NAME`. */
  async changedAt(name: string): Promise<Date | null> {
    const file = this.#fileOf(name)
    return await stat(file).then(
      ({ mtime }) => mtime,
      () => null,
    )
  }

  /** Writes or replaces a file. Throws `ERR_NAME`, `ERR_STORE`. */
  async write(name: string, bytes: Buffer): Promise<void> {
    const file = this.#fileOf(name)
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await replaceFile(file, bytes, { mode: 0o600 })
    } catch (error) {
      throw new PurserError("ERR_STORE", `cannot write ${file}: ${reasonOf(error)}`, { cause: error })
    }
  }

  /**
   * Removes a file, and the directories of its name that become empty. Returns false if there is no such file. Throws
   * `ERR_NAME`, `ERR_STORE`.
   */
  async remove(name: string): Promise<boolean> {
    const file = this.#fileOf(name)
    try {
      await unlink(file)
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return false
      throw new PurserError("ERR_STORE", `cannot remove ${file}: ${reasonOf(error)}`, { cause: error })
    }
    try {
      for (let parent = dirname(file); parent !== this.directory; parent = dirname(parent))
        await rmdir(parent)
    } catch {
      // The directory is not empty.
    }
    return true
  }

  /** Calls back with the names of files that may have changed. */
  async watch(onChange: (name: string) => void, log: Log): Promise<AsyncDisposable> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    return await watchFiles(
      this.directory,
      (path) => {
        if (path.endsWith(suffix)) onChange(this.#nameOf(path))
      },
      log,
    )
  }

  #fileOf(name: string): string {
    return join(this.directory, `${parseSecretName(name)}${suffix}`)
  }

  #nameOf(path: string): string {
    return relative(this.directory, path).slice(0, -suffix.length).split(sep).join("/")
  }
}
