import { stat } from "node:fs/promises"
import envPaths from "env-paths"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { makeDirectories } from "../base/make-directories.ts"

/** Returns the absolute path of the platform's data directory for Purser (env-paths, without suffix). */
export function defaultStateDir(): string {
  return envPaths("purser", { suffix: "" }).data
}

/**
 * Creates the directory with mode 0700 if it is missing. Throws `ERR_STATE` if it cannot be used, or every user may
 * write to it.
 */
export async function ensureStateDir(directory: string): Promise<void> {
  try {
    await makeDirectories(directory, 0o700)
    const { mode } = await stat(directory)
    // Other users may list it (volumes are often 0755, and every file in it is 0600), but not replace files in it.
    if (process.platform !== "win32" && (mode & 0o002) !== 0) {
      throw new PurserError("ERR_STATE", `every user may write to the state directory ${directory}`, {
        hint: `run chmod 700 ${directory}, or name another directory with --state or PURSER_STATE`,
      })
    }
  } catch (error) {
    if (isPurserError(error)) throw error
    throw new PurserError(
      "ERR_STATE",
      `the state directory ${directory} cannot be used: ${reasonOf(error)}`,
      {
        cause: error,
        hint: "name another directory with --state or PURSER_STATE",
      },
    )
  }
}
