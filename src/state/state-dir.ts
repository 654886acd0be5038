import { stat } from "node:fs/promises"
import envPaths from "env-paths"
import { PurserError, isPurserError, reasonOf } from "../base/errors.ts"
import { makeDirectories } from "../base/make-directories.ts"

/** Absolute path of the platform's data directory for Purser (env-paths, no suffix). */
export function defaultStateDir(): string {
  return envPaths("purser", { suffix: "" }).data
}

/** Creates it with mode 0700 if it is absent. Throws `ERR_STATE` when it cannot be used, or anybody may write to it. */
export async function ensureStateDir(directory: string): Promise<void> {
  try {
    await makeDirectories(directory, 0o700)
    const { mode } = await stat(directory)
    // Others may look (volumes are often 0755; every file in it is 0600), but not put files of their own in our place.
    if (process.platform !== "win32" && (mode & 0o002) !== 0) {
      throw new PurserError("ERR_STATE", `anybody may write to the state directory ${directory}`, {
        hint: `chmod 700 ${directory}, or name another by --state or PURSER_STATE`,
      })
    }
  } catch (error) {
    if (isPurserError(error)) throw error
    throw new PurserError(
      "ERR_STATE",
      `the state directory ${directory} cannot be used: ${reasonOf(error)}`,
      {
        cause: error,
        hint: "name another by --state or PURSER_STATE",
      },
    )
  }
}
